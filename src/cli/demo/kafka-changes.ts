import { setTimeout as delay } from 'node:timers/promises';
import { IndexService } from '../../gen/rollcall/v1/index_service_pb.js';
import { MembershipService } from '../../gen/rollcall/v1/membership_service_pb.js';
import type { RollcallClient } from '../client.js';
import { formatCount, formatDuration } from '../format.js';
import { changeMessage } from '../produce/change-message.js';
import { writeTopic } from '../produce/topic-writer.js';
import { bold } from '../style.js';
import type { Demo } from './demo.js';
import { ENVIRONMENT, stored } from './demo.js';
import type { DemoTopic } from './demo-broker.js';
import { liveChanges } from './live-changes.js';
import { population } from './population.js';

const ORIGINS = {
  environment: 'that of KAFKA_BROKERS',
  testcontainers: 'in a container',
  local: 'on the Java of this machine',
} satisfies Record<DemoTopic['origin'], string>;

const POLL_MS = 20;

/** Puts changes on the topic, and counts when each wave is applied. */
export async function produceLive({ client, screen, options }: Demo, target: DemoTopic): Promise<void> {
  await screen.heading(
    'Changes arrive by Kafka',
    `Apache Kafka, ${ORIGINS[target.origin]}; each change is applied exactly once, its offset in the same transaction`,
  );
  let sent = 0;
  const people = population(options.seed, Math.min(options.identities, 6_000));
  for (const { name, changes } of liveChanges(ENVIRONMENT, people)) {
    const startedAt = performance.now();
    const messages = changes.map((change) => changeMessage(change, 'protobuf'));
    await writeTopic(target.connection, target.topic, messages, (count) => {
      sent += count;
    });
    const sentMs = performance.now() - startedAt;
    await untilApplied(client, target.topic, sent);
    const time = `sent in ${formatDuration(sentMs)}, applied after ${formatDuration(performance.now() - startedAt)}`;
    await screen.done(`${formatCount(changes.length)} ${name}, ${time}`);
    await screen.query(
      'Count growth, at the newest revision',
      () =>
        client.call(MembershipService.method.count, {
          selector: stored('growth'),
          freshness: { level: { case: 'latest', value: true } },
        }),
      (answer) => bold(formatCount(answer.count)),
    );
  }
}

/** Waits until as many messages of the topic are applied. */
async function untilApplied(client: RollcallClient, topic: string, messages: number): Promise<void> {
  for (;;) {
    const { feed } = await client.call(IndexService.method.getStatus, { environment: ENVIRONMENT });
    const own = feed?.partitions.filter((partition) => partition.topic === topic) ?? [];
    const applied = own.reduce((sum, { nextOffset = 0n }) => sum + Number(nextOffset), 0);
    if (applied >= messages) return;
    await delay(POLL_MS);
  }
}
