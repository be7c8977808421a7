import { randomUUID } from 'node:crypto';
import { create, toBinary } from '@bufbuild/protobuf';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { IdentityChangeSchema } from '../../src/gen/rollcall/v1/identity_change_pb.js';
import { applySlice, PartitionLost, type Slice } from '../../src/indexing/kafka/apply-slice.js';
import { decodeSlice } from '../../src/indexing/kafka/decode-slice.js';
import type { KafkaMessage } from '../../src/indexing/kafka/message.js';
import type { Environment } from '../../src/storage/environments.js';
import { enterPartitions, readPartitions } from '../../src/storage/kafka-offsets.js';
import { readLog } from '../../src/storage/log.js';
import { readQuarantine } from '../../src/storage/quarantine.js';
import { readDeadLetters } from '../helpers/dead-letters.js';
import { createApplier, createFixture, type Fixture, readTruth } from '../helpers/fixture.js';
import { installFaults, type StatementFaults } from '../helpers/statement-faults.js';

const PLACE = { cluster: 'cluster', topic: 'topic', partition: 0 };
const KAFKA_TABLES = ['kafka_offset', 'dead_letter', 'quarantined_identity'];

let fixture: Fixture;
let environment: Environment;
let faults: StatementFaults;
beforeEach(async () => {
  fixture = await createFixture();
  environment = await fixture.environment();
  await enterPartitions(fixture.database.sql, { cluster: 'cluster', feed: 'group', owner: 'nobody' }, [
    { topic: 'topic', partition: 0, nextOffset: 100 },
  ]);
  faults = await installFaults(fixture.database);
  for (const table of KAFKA_TABLES)
    await fixture.database.sql.unsafe(`
      create trigger fault_before before insert or update or delete on ${table} for each statement execute function meet_fault();
      create trigger fault_after after insert or update or delete on ${table} for each statement execute function meet_fault();
      create constraint trigger fault_commit after insert or update on ${table} initially deferred for each row execute function meet_fault();`);
});
afterEach(() => fixture.drop());

function message(offset: number, value: Buffer, identifier: string): KafkaMessage {
  const key = Buffer.from(`${environment.key}:${identifier}`);
  return { topic: 'topic', partition: 0, offset, timestampMs: 1_700_000_000_000, key, value, headers: new Map() };
}

function upsertValue(identifier: string): Buffer {
  const change = { case: 'upsert' as const, value: {} };
  return Buffer.from(
    toBinary(
      IdentityChangeSchema,
      create(IdentityChangeSchema, { environmentKey: environment.key, identifier, change }),
    ),
  );
}

function slice(): Slice {
  const messages = [
    message(100, upsertValue('a'), 'a'),
    message(101, Buffer.from('garbage'), 'b'),
    message(103, upsertValue('c'), 'c'),
  ];
  return { place: PLACE, messages, next: 105 };
}

async function apply(expected = 100): Promise<void> {
  const own = slice();
  const writer = { database: fixture.database, applier: createApplier(fixture.database), owner: randomUUID() };
  await applySlice(writer, own, decodeSlice(own.messages), expected);
}

async function everything(): Promise<unknown> {
  const { sql } = fixture.database;
  const log = await readLog(sql, environment.id, 0, 1_000, 1_000);
  return [
    (await readTruth(fixture.database, environment)).identities.map(({ identifier }) => identifier),
    log.map(({ revision }) => revision),
    await readPartitions(sql, 'cluster', ['topic']),
    (await readDeadLetters(sql)).map(({ offset }) => offset),
    (await readQuarantine(sql, environment.id, 10)).first.map(({ identifier }) => identifier),
  ];
}

describe('I2: identity rows, log row, dead letters and the offset of a partition commit together or not at all', () => {
  it('when the connection is cut in the middle of any statement, the commit among them', async () => {
    const before = await everything();
    let cuts = 0;
    for (;;) {
      await faults.arm('cut', cuts + 1);
      const failure = await apply().then(
        () => undefined,
        (error: unknown) => error,
      );
      if (failure === undefined) break;
      expect(failure).toMatchObject({ reason: 'DATABASE_UNAVAILABLE' });
      expect(await everything()).toEqual(before);
      cuts++;
    }
    expect(cuts).toBeGreaterThan(10);
    const [identifiers, , partitions, letters, quarantined] = (await everything()) as unknown[];
    expect(identifiers).toEqual(['a', 'c']);
    expect(partitions).toMatchObject([{ nextOffset: 105, watermarkMs: 1_700_000_000_000 }]);
    expect([letters, quarantined]).toEqual([[101], ['b']]);
  });

  it('and where another owner advanced the partition, nothing of it is there', async () => {
    await fixture.database.sql`update kafka_offset set next_offset = 101`;
    const before = await everything();
    await expect(apply()).rejects.toThrow(PartitionLost);
    expect(await everything()).toEqual(before);
  });
});
