import { setTimeout as sleep } from 'node:timers/promises';
import { create, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import { uniformInt } from 'pure-rand/distribution/uniformInt';
import { xoroshiro128plus } from 'pure-rand/generator/xoroshiro128plus';
import { RollcallClient } from '../../src/cli/client.js';
import type { IdentityChangeSchema } from '../../src/gen/rollcall/v1/identity_change_pb.js';
import { ApplyChangesRequestSchema, IngestService } from '../../src/gen/rollcall/v1/ingest_service_pb.js';
import type { TraitValueSchema } from '../../src/gen/rollcall/v1/trait_value_pb.js';
import { type Applied, CHANGES, type Changes } from './changes.js';

const BATCHES_PER_SECOND = 30;
const TRAITS_PER_CHANGE = 3;
const SEED = 4_711;

type Trait = readonly [string, MessageInitShape<typeof TraitValueSchema>];

/** The process of `whileChanging`: the first message starts it, the second ends it. */
const random = xoroshiro128plus(SEED);
const ending = new AbortController();
process.once('message', (message) => {
  const applied = send(CHANGES.parse(message)).catch((error: unknown) => ({ failure: String(error) }));
  process.once('message', () => {
    ending.abort();
    void applied.then((answer) => process.send?.(answer));
  });
  process.send?.({ isStarted: true });
});

async function send(changes: Changes): Promise<Applied> {
  const client = new RollcallClient({
    address: changes.address,
    timeoutMs: 60_000,
    signal: new AbortController().signal,
  });
  const startedMs = performance.now();
  const { applied, revisions } = await client.callWithStream(IngestService.method.applyChanges, batches(changes));
  const seconds = (performance.now() - startedMs) / 1000;
  client.close();
  return { changes: Number(applied), seconds, revision: Number(revisions[0]?.revision ?? 0) };
}

/** A batch whenever one is due, at once where they are late. */
async function* batches(changes: Changes): AsyncGenerator<Buffer> {
  const startedMs = performance.now();
  for (let sent = 0; !ending.signal.aborted; sent++) {
    yield batch(changes);
    await sleep(startedMs + ((sent + 1) / BATCHES_PER_SECOND) * 1000 - performance.now());
  }
}

function batch({ environment, identifiers, changesPerSecond }: Changes): Buffer {
  const changes = Array.from(
    { length: changesPerSecond / BATCHES_PER_SECOND },
    (): MessageInitShape<typeof IdentityChangeSchema> => ({
      environmentKey: environment,
      identifier: identifiers[uniformInt(random, 0, identifiers.length - 1)] ?? '',
      change: { case: 'setTraits', value: { traits: drawTraits() } },
    }),
  );
  return Buffer.from(toBinary(ApplyChangesRequestSchema, create(ApplyChangesRequestSchema, { changes })));
}

/** Some of the traits that the questions look at, with values that fall on either side. */
function drawTraits(): Record<string, MessageInitShape<typeof TraitValueSchema>> {
  const first = uniformInt(random, 0, TRAITS.length - 1);
  const drawn = Array.from({ length: TRAITS_PER_CHANGE }, (_, index) => TRAITS[(first + index) % TRAITS.length]?.());
  return Object.fromEntries(drawn.filter((trait) => trait !== undefined));
}

const TRAITS: readonly (() => Trait)[] = [
  () => ['plan', text(pick(['free', 'basic', 'pro', 'scale']))],
  () => ['age', integer(18, 79)],
  () => ['spend', { kind: { case: 'floatValue', value: uniformInt(random, 0, 2_000) + 0.25 } }],
  () => ['sessions', integer(0, 899)],
  () => ['country', text(pick(['US', 'GB', 'DE', 'FR', 'IN']))],
  () => ['score', integer(0, 9_999)],
  () => ['signed_up', text(pick(['2019-03-04', '2021-05-06', '2022-07-08', '2024-09-10']))],
  () => ['device', text(pick(['iPhone 15', 'Pixel 8', 'Galaxy S24']))],
  () => ['beta', { kind: { case: 'boolValue', value: uniformInt(random, 0, 1) === 0 } }],
  () => ['email', text(pick(['ada@gmail.com', 'ada@rollcall.example']))],
];

function text(value: string): MessageInitShape<typeof TraitValueSchema> {
  return { kind: { case: 'stringValue', value } };
}

function integer(from: number, to: number): MessageInitShape<typeof TraitValueSchema> {
  return { kind: { case: 'intValue', value: BigInt(uniformInt(random, from, to)) } };
}

function pick(values: readonly string[]): string {
  return values[uniformInt(random, 0, values.length - 1)] ?? '';
}
