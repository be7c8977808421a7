import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Change } from '../../src/core/changes.js';
import type { OrdinalMode } from '../../src/storage/environments.js';
import {
  applyTo,
  bitmapOf,
  buildAll,
  createApplier,
  createFixture,
  createIndex,
  type Fixture,
  ordinalsWhere,
  putSegment,
  readTruth,
} from '../helpers/fixture.js';
import { changeTraits } from '../helpers/change-traits.js';
import { isMember } from '../helpers/oracle.js';
import { changes, checkProperty, segmentSets } from '../helpers/random-segments.js';

const USERS = 12;

let fixture: Fixture;
beforeAll(async () => {
  fixture = await createFixture();
});
afterAll(() => fixture.drop());

/** What the changes come to, one after the other, by identifier. */
function finalStates(all: readonly Change[]): Map<string, Map<string, string>> {
  const states = new Map<string, Map<string, string>>();
  for (const change of all) {
    if (change.kind === 'delete') states.delete(change.identifier);
    else states.set(change.identifier, changeTraits(states.get(change.identifier) ?? new Map(), change));
  }
  return states;
}

/** Only full states: of these the last one decides, however often the ones before come again. */
const fullStates = (mode: OrdinalMode) =>
  changes(USERS, mode === 'given' ? (user) => user * 70_000 : undefined).filter(({ kind }) => kind !== 'set_traits');
const cases = fc.constantFrom<OrdinalMode>('allotted', 'given').chain((mode) =>
  fc.record({
    mode: fc.constant(mode),
    segments: segmentSets(3),
    all: fc.array(fullStates(mode), { minLength: 1, maxLength: 60 }),
    cuts: fc.array(fc.nat({ max: 60 }), { maxLength: 6 }),
    again: fc.nat({ max: 60 }),
  }),
);

describe('I3: applying a batch twice, or any part of the stream again up to its end, changes nothing', () => {
  it('and however the stream is cut into batches, the identities and bitmaps at its end are the same', async () => {
    await checkProperty(
      fc.asyncProperty(cases, async ({ mode, segments, all, cuts, again }) => {
        const environment = await fixture.environment({ ordinalMode: mode });
        for (const [key, definition] of segments) await putSegment(fixture.database, environment, key, definition);
        await buildAll(fixture.database, environment);
        const applier = createApplier(fixture.database);
        const edges = [...new Set([0, ...cuts.filter((cut) => cut < all.length), all.length])].sort((a, b) => a - b);
        for (const [number, edge] of edges.slice(1).entries())
          await applyTo(applier, environment, ...all.slice(edges[number], edge));
        for (const from of [edges.at(-2) ?? 0, Math.min(again, all.length - 1), 0]) {
          await applyTo(applier, environment, ...all.slice(from));
          const truth = await readTruth(fixture.database, environment);
          const states = new Map(truth.identities.map(({ identifier, traits }) => [identifier, new Map(traits)]));
          expect(states).toEqual(finalStates(all));
          const index = createIndex(fixture.database, environment);
          await bitmapOf(index, 0);
          for (const key of segments.keys()) {
            const served = index.catalog.serve(key);
            await index.load(index.missing(served));
            const expected = ordinalsWhere(truth, (identity) =>
              isMember(key, identity, { environment, definitions: segments }),
            );
            expect([...index.members(served)]).toEqual(expected);
          }
        }
      }),
      12,
    );
  });

  it('and the very same batch takes no revision the second time', async () => {
    const environment = await fixture.environment();
    const applier = createApplier(fixture.database);
    const all: Change[] = ['a', 'b', 'c'].map((identifier) => ({
      kind: 'upsert',
      identifier,
      traits: new Map([
        ['n', '1.0'],
        ['é', '{"b": [1, 2.0], "aa": null}'],
      ]),
    }));
    const first = await applyTo(applier, environment, ...all);
    const second = await applyTo(applier, environment, ...all);
    expect(second.revisions).toEqual(first.revisions);
    expect(second.unchanged).toBe(3);
  });
});
