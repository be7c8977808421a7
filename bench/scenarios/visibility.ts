import { setTimeout as sleep } from 'node:timers/promises';
import { create, toBinary } from '@bufbuild/protobuf';
import { RollcallClient } from '../../src/cli/client.js';
import { IdentityChangeSchema } from '../../src/gen/rollcall/v1/identity_change_pb.js';
import { MembershipService } from '../../src/gen/rollcall/v1/membership_service_pb.js';
import { RuleType } from '../../src/gen/rollcall/v1/segment_pb.js';
import type { KafkaClient, Producer } from '../../src/indexing/kafka/kafka-client.js';
import { messageOf } from './drain-changes.js';
import { SCORES } from '../world/segments.js';
import type { Figure } from '../report/figures.js';
import { percentile } from '../measure/statistics.js';
import { ENVIRONMENT } from '../world/world.js';

const EVENTS_PER_SECOND = 3_000;
const SENDS_PER_SECOND = 50;
const SECONDS = 30;
const POLL_MS = 5;
const GOAL_SECONDS = 1;
const PROBE = 'bench_probe';

/** While events come at a steady rate: how long after it was sent an event shows in Count. */
export async function measureVisibility(client: KafkaClient, topic: string, address: string): Promise<Figure[]> {
  const rollcall = new RollcallClient({ address, timeoutMs: 60_000, signal: new AbortController().signal });
  const producer = client.producer();
  await producer.connect();
  try {
    await countProbes(rollcall);
    const stopping = new AbortController();
    const steady = sendSteadily(producer, topic, stopping.signal);
    const seconds = await probe(rollcall, producer, topic).finally(() => stopping.abort());
    await steady;
    const p99 = percentile(seconds, 0.99);
    const figure = { scenario: `${EVENTS_PER_SECOND.toLocaleString('en')} events/s`, unit: 's' };
    return [
      { ...figure, what: 'event sent to visible in Count, p50', value: percentile(seconds, 0.5) },
      {
        ...figure,
        what: 'event sent to visible in Count, p99',
        value: p99,
        goal: `≤ ${GOAL_SECONDS}`,
        isReached: p99 <= GOAL_SECONDS,
      },
    ];
  } finally {
    await producer.disconnect();
    rollcall.close();
  }
}

/** Adds one identity after the other to a segment; the seconds until Count showed each. */
async function probe(rollcall: RollcallClient, producer: Producer, topic: string): Promise<number[]> {
  const seconds: number[] = [];
  const until = performance.now() + SECONDS * 1000;
  for (let probes = 1; performance.now() < until; probes++) {
    const sentMs = performance.now();
    await producer.send({ topic, messages: [probeMessage(`bench-probe-${probes}`)] });
    while ((await countProbes(rollcall)) < probes) await sleep(POLL_MS);
    seconds.push((performance.now() - sentMs) / 1000);
  }
  return seconds;
}

async function sendSteadily(producer: Producer, topic: string, signal: AbortSignal): Promise<void> {
  const startedMs = performance.now();
  for (let sent = 0; !signal.aborted;) {
    const due = Math.floor(((performance.now() - startedMs) / 1000) * EVENTS_PER_SECOND);
    const messages = Array.from({ length: due - sent }, (_, index) =>
      messageOf({ identifier: `steady-${(sent + index) % 20_000}`, plan: 'pro', score: (sent + index) % SCORES }),
    );
    if (messages.length > 0) await producer.send({ topic, messages });
    sent = due;
    await sleep(1000 / SENDS_PER_SECOND);
  }
}

function probeMessage(identifier: string) {
  const change = create(IdentityChangeSchema, {
    environmentKey: ENVIRONMENT,
    identifier,
    change: { case: 'upsert', value: { traits: { [PROBE]: { kind: { case: 'boolValue', value: true } } } } },
  });
  return { key: `${ENVIRONMENT}:${identifier}`, value: Buffer.from(toBinary(IdentityChangeSchema, change)) };
}

async function countProbes(rollcall: RollcallClient): Promise<number> {
  const condition = { property: PROBE, operator: 'IS_SET', operand: { case: 'value' as const, value: '' } };
  const rules = [{ type: RuleType.ALL, conditions: [condition] }];
  const { count } = await rollcall.call(MembershipService.method.count, {
    selector: { environment: ENVIRONMENT, target: { case: 'draft', value: { rules } } },
  });
  return Number(count);
}
