import { randomUUID } from 'node:crypto';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseTrait } from '../../../src/core/trait-text.js';
import { hasReleasableCaptures, resolveCaptures } from '../../../src/indexing/capture/resolve-captures.js';
import { decodeMessage } from '../../../src/indexing/kafka/decode-message.js';
import { readTotals } from '../../../src/storage/totals.js';
import type { Environment } from '../../../src/storage/environments.js';
import type { Place } from '../../../src/storage/kafka-offsets.js';
import { createApplier, createFixture, type Fixture, readTruth } from '../../helpers/fixture.js';
import { RandomSource, type SourceJoin } from './random-source.js';
import { eventOf, type SourceEvent, type SourceIdentity, type SourceTrait } from './source-tables.js';

let fixture: Fixture;
beforeAll(async () => {
  fixture = await createFixture();
});
afterAll(() => fixture.drop());

/** A topic as it is being applied, batch by batch. */
interface Feed {
  readonly environments: readonly [Environment, Environment];
  /** Applies a batch of one partition; the offsets go on by themselves. */
  readonly apply: (partition: number, ...events: readonly SourceEvent[]) => Promise<void>;
  /** Applies empty batches while rows that had waited can go. */
  readonly settle: () => Promise<void>;
}

async function createFeed(): Promise<Feed> {
  const { sql } = fixture.database;
  await sql`delete from captured_environment`;
  await sql`delete from captured_identity`;
  await sql`delete from waiting_capture`;
  const applier = createApplier(fixture.database);
  const cluster = randomUUID();
  const places = [0, 1, 2].map((partition): Place => ({ cluster, topic: 'flagsmith', partition }));
  const nextOffsets = [0, 0, 0];
  const apply: Feed['apply'] = async (partition, ...events) => {
    const place = places[partition];
    if (place === undefined) throw new Error('no such partition');
    const messages = events.map(({ key, value }) => {
      const offset = nextOffsets[partition] ?? 0;
      nextOffsets[partition] = offset + 1;
      const message = {
        ...place,
        offset,
        timestampMs: 1,
        key: Buffer.from(key),
        value: Buffer.from(value),
        headers: new Map(),
      };
      const decoded = decodeMessage(message);
      if (decoded.kind !== 'captured') throw new Error('not a captured row');
      return { message, row: decoded.row };
    });
    const { resolved, refused, ...captures } = await resolveCaptures(sql, place, messages);
    expect(refused).toEqual([]);
    const changes = resolved.flatMap((each) => each.changes).map((change, index) => ({ index, ...change }));
    await applier.apply(changes, {
      alongside: async (tx, left) => {
        expect(left).toEqual([]);
        await captures.write(tx);
      },
    });
  };
  const given = { ordinalMode: 'given' } as const;
  return {
    environments: [await fixture.environment(given), await fixture.environment(given)],
    apply,
    async settle() {
      for (let isDone = false; !isDone;) {
        isDone = true;
        for (const [partition, place] of places.entries()) {
          if (!(await hasReleasableCaptures(sql, place))) continue;
          isDone = false;
          await apply(partition);
        }
      }
    },
  };
}

/** The identities of an environment as they are stored, with their traits' values. */
async function stored(environment: Environment): Promise<SourceJoin> {
  const { identities } = await readTruth(fixture.database, environment);
  return identities.map(({ id, identifier, traits }) => {
    const values = [...traits].map(([key, text]): [string, unknown] => {
      const value = parseTrait(text);
      return [key, typeof value === 'bigint' ? Number(value) : value];
    });
    return { id, identifier, traits: Object.fromEntries(values) };
  });
}

const ANN: SourceIdentity = { id: 5, identifier: 'ann', environment_id: 1, created_date: '', system_traits: null };
const PLAN: SourceTrait = {
  id: 1,
  identity_id: 5,
  trait_key: 'plan',
  value_type: 'unicode',
  boolean_value: null,
  integer_value: null,
  string_value: 'pro',
  float_value: null,
};

function environmentCreated(id: number, { key }: Environment): SourceEvent {
  return eventOf('environments_environment', 'c', { after: { id, api_key: key, name: 'Production', project_id: 1 } });
}

describe('captured rows', () => {
  it('keep traits that come before their identity, and identities before their environment', async () => {
    const { environments, apply, settle } = await createFeed();
    await apply(2, eventOf('environments_trait', 'r', { after: PLAN }));
    await apply(2, eventOf('environments_identity', 'r', { after: ANN }));
    expect(await stored(environments[0])).toEqual([]);
    expect((await readTotals(fixture.database.sql)).waitingCaptures).toBe(2);
    await apply(0, environmentCreated(1, environments[0]));
    await settle();
    expect(await stored(environments[0])).toEqual([{ id: 5, identifier: 'ann', traits: { plan: 'pro' } }]);
    expect((await readTotals(fixture.database.sql)).waitingCaptures).toBe(0);
  });

  it('let a trait that came first go in the batch that brings its identity', async () => {
    const { environments, apply } = await createFeed();
    await apply(0, environmentCreated(1, environments[0]));
    await apply(
      2,
      eventOf('environments_trait', 'r', { after: PLAN }),
      eventOf('environments_identity', 'r', { after: ANN }),
    );
    expect(await stored(environments[0])).toEqual([{ id: 5, identifier: 'ann', traits: { plan: 'pro' } }]);
  });

  it('show a system trait in front of the trait of the same name, which comes back when it goes', async () => {
    const { environments, apply } = await createFeed();
    const hiding = { ...ANN, system_traits: { plan: 'system', region: 'eu' } };
    await apply(0, environmentCreated(1, environments[0]));
    await apply(
      2,
      eventOf('environments_identity', 'c', { after: ANN }),
      eventOf('environments_trait', 'c', { after: PLAN }),
    );
    await apply(2, eventOf('environments_identity', 'u', { before: ANN, after: hiding }));
    expect(await stored(environments[0])).toMatchObject([{ traits: { plan: 'system', region: 'eu' } }]);
    const team = { ...PLAN, string_value: 'team' };
    await apply(2, eventOf('environments_trait', 'u', { before: PLAN, after: team }));
    expect(await stored(environments[0])).toMatchObject([{ traits: { plan: 'system', region: 'eu' } }]);
    await apply(2, eventOf('environments_identity', 'u', { before: hiding, after: ANN }));
    expect(await stored(environments[0])).toEqual([{ id: 5, identifier: 'ann', traits: { plan: 'team' } }]);
  });

  it('move an identity to another environment with the traits that it has', async () => {
    const { environments, apply } = await createFeed();
    await apply(0, environmentCreated(1, environments[0]), environmentCreated(2, environments[1]));
    await apply(
      2,
      eventOf('environments_identity', 'c', { after: ANN }),
      eventOf('environments_trait', 'c', { after: PLAN }),
    );
    await apply(2, eventOf('environments_identity', 'u', { before: ANN, after: { ...ANN, environment_id: 2 } }));
    expect(await stored(environments[0])).toEqual([]);
    expect(await stored(environments[1])).toEqual([{ id: 5, identifier: 'ann', traits: { plan: 'pro' } }]);
  });

  it('give an identifier to the next identity only when the one before has given it up, whichever is told first', async () => {
    const { environments, apply, settle } = await createFeed();
    const again = { ...ANN, id: 6 };
    await apply(0, environmentCreated(1, environments[0]));
    await apply(2, eventOf('environments_identity', 'c', { after: ANN }));
    await apply(1, eventOf('environments_identity', 'c', { after: again }));
    await apply(2, eventOf('environments_trait', 'c', { after: PLAN }));
    await settle();
    expect(await stored(environments[0])).toMatchObject([{ id: 5, traits: { plan: 'pro' } }]);
    await apply(2, eventOf('environments_identity', 'd', { before: ANN }));
    await settle();
    expect(await stored(environments[0])).toEqual([{ id: 6, identifier: 'ann', traits: {} }]);
  });

  it('of an environment whose key changed are refused', async () => {
    const { environments } = await createFeed();
    const rows = [environments[0], environments[1]].map((environment, offset) => {
      const { key, value } = environmentCreated(1, environment);
      const place = { cluster: 'c', topic: 't', partition: 0 };
      const message = {
        ...place,
        offset,
        timestampMs: 1,
        key: Buffer.from(key),
        value: Buffer.from(value),
        headers: new Map(),
      };
      const decoded = decodeMessage(message);
      if (decoded.kind !== 'captured') throw new Error('not a captured row');
      return { message, row: decoded.row };
    });
    const { refused } = await resolveCaptures(fixture.database.sql, { cluster: 'c', topic: 't', partition: 0 }, rows);
    expect(refused.map(({ message, error }) => [message.offset, error.reason])).toEqual([[1, 'INVALID_REQUEST']]);
  });

  it(
    'end as the join of the tables, whatever happened to them and however the topic was cut into batches',
    { timeout: 180_000 },
    async () => {
      await fc.assert(
        fc.asyncProperty(fc.infiniteStream(fc.nat({ max: 2 ** 30 })), async (chances) => {
          const draw = (below: number) => (below === 0 ? 0 : (chances.next().value ?? 0) % below);
          const { environments, apply, settle } = await createFeed();
          const source = new RandomSource(draw);
          for (const [index, { key }] of environments.entries()) source.createEnvironment(index + 1, key);
          source.stopListening();
          for (let step = draw(30); step > 0; step--) source.step();
          source.takeSnapshot();
          for (let step = draw(60); step > 0; step--) source.step();
          const left = source.partitions.map((events) => [...events]);
          while (left.some((events) => events.length > 0)) {
            const partition = draw(left.length);
            await apply(partition, ...(left[partition]?.splice(0, 1 + draw(15)) ?? []));
          }
          await settle();
          expect(await stored(environments[0])).toEqual(source.joinOf(1));
          expect(await stored(environments[1])).toEqual(source.joinOf(2));
          expect((await readTotals(fixture.database.sql)).waitingCaptures).toBe(0);
        }),
        { numRuns: 100, endOnFailure: true },
      );
    },
  );
});
