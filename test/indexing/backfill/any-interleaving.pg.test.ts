import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Change } from '../../../src/core/changes.js';
import { RollcallError } from '../../../src/core/errors.js';
import type { SourceIdentity } from '../../../src/core/source.js';
import type { Environment, OrdinalMode } from '../../../src/storage/environments.js';
import { applyTo, buildAll, createApplier, createFixture, type Fixture, putSegment } from '../../helpers/fixture.js';
import { listedSource, type ListedSource } from '../../helpers/listed-source.js';
import { changes, checkProperty, segmentSets, traitMaps } from '../../helpers/random-segments.js';
import { BackfillOracle, storedTraits } from './backfill-oracle.js';
import { begin, expectVerified, run, states } from './backfill-world.js';

const USERS = 12;
const idOf = (user: number): number => 100 + user;
let fixture: Fixture;
beforeAll(async () => {
  fixture = await createFixture();
});
afterAll(() => fixture.drop());

/** What happens around one page: changes before it is read, while it waits to be applied, and whether the source or the process fails then. */
const steps = (mode: OrdinalMode) => {
  const batch = fc.array(changes(USERS, mode === 'given' ? idOf : undefined), { maxLength: 4 });
  return fc.array(
    fc.record({ whileRead: batch, inGap: batch, fate: fc.constantFrom('goes on', 'goes on', 'fails', 'is killed') }),
    { minLength: 1, maxLength: 8 },
  );
};

const scenarios = fc.constantFrom<OrdinalMode>('allotted', 'given').chain((mode) =>
  fc.record({
    mode: fc.constant(mode),
    segments: segmentSets(3),
    before: fc.array(changes(USERS, mode === 'given' ? idOf : undefined), { maxLength: 10 }),
    rows: fc.array(fc.record({ user: fc.integer({ min: 0, max: USERS - 1 }), traits: traitMaps }), { maxLength: 14 }),
    steps: steps(mode),
    pageSize: fc.integer({ min: 1, max: 5 }),
  }),
);
type Scenario = typeof scenarios extends fc.Arbitrary<infer T> ? T : never;

async function runScenario({ mode, segments, before, rows, steps: planned, pageSize }: Scenario): Promise<void> {
  const environment = await fixture.environment({ ordinalMode: mode });
  for (const [key, definition] of segments) await putSegment(fixture.database, environment, key, definition);
  await buildAll(fixture.database, environment);
  await live(environment, before);
  const listed = rows.map(({ user, traits }): SourceIdentity => {
    const own = { environmentKey: environment.key, identifier: `user-${user}`, traits };
    return mode === 'given' ? { ...own, id: idOf(user) } : own;
  });
  const stored = await storedTraits(fixture.database, environment);
  const oracle = new BackfillOracle(listed);
  const steps = [...planned];
  await load(
    environment,
    steps,
    (onRead) => listedSource(environment, listed, { pageSize, onRead }),
    async (batch) => {
      await live(environment, batch);
      for (const change of batch) oracle.apply(change, stored);
    },
  );
  expect(await states(fixture.database, environment)).toEqual(oracle.result());
  await expectVerified(fixture.database, environment);
}

/** Runs a backfill to its end, however often it has to be resumed. */
async function load(
  environment: Environment,
  steps: Scenario['steps'],
  open: (onRead: (page: number, signal: AbortSignal) => Promise<void>) => ListedSource,
  change: (batch: readonly Change[]) => Promise<void>,
): Promise<void> {
  let backfill = await begin(fixture.database, environment);
  for (;;) {
    const killing = new AbortController();
    let gap: readonly Change[] = [];
    const source = open(async () => {
      const step = steps.shift();
      if (step === undefined) return;
      await change(step.whileRead);
      gap = step.inGap;
      if (step.fate === 'is killed') killing.abort();
      if (step.fate === 'fails') throw new RollcallError('SOURCE_UNAVAILABLE', 'it went away');
    });
    const ended = await run(fixture.database, environment, backfill, source, { signal: killing.signal });
    if (ended?.state === 'done') return;
    await change(gap);
    if (ended?.state === 'failed') backfill = await begin(fixture.database, environment);
  }
}

async function live(environment: Environment, batch: readonly Change[]): Promise<void> {
  if (batch.length > 0) await applyTo(createApplier(fixture.database), environment, ...batch);
}

describe('I1, I3, I4, I11: a backfill and live changes in any interleaving', () => {
  it('end as the source with the live changes since its beginning over it, however often it fails or is killed', async () => {
    await checkProperty(fc.asyncProperty(scenarios, runScenario), 25);
  });
});
