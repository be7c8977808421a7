import { create, toBinary } from '@bufbuild/protobuf';
import { uniformInt } from 'pure-rand/distribution/uniformInt';
import { xoroshiro128plus } from 'pure-rand/generator/xoroshiro128plus';
import { IdentityChangeSchema } from '../../src/gen/rollcall/v1/identity_change_pb.js';
import type { Database } from '../../src/storage/database.js';
import { INT8_ARRAY } from '../../src/storage/environments.js';
import { SCORE, SCORES } from '../world/segments.js';
import { ENVIRONMENT, type World } from '../world/world.js';

/** A trait event: two traits of one identity. */
export interface TraitEvent {
  readonly identifier: string;
  readonly plan: string;
  readonly score: number;
}

const SEED = 91;
const EVENTS_PER_READ = 5_000;
const PLANS = ['free', 'basic', 'pro', 'scale', 'enterprise'];

/** `count` events of identities drawn uniformly, the same each time, in batches. */
export async function* traitEvents(
  { environment, identities }: World,
  { sql }: Database,
  count: number,
): AsyncGenerator<readonly TraitEvent[]> {
  const random = xoroshiro128plus(SEED);
  for (let left = count; left > 0; left -= EVENTS_PER_READ) {
    const ids = Array.from({ length: Math.min(left, EVENTS_PER_READ) }, () => uniformInt(random, 1, identities));
    const rows = await sql<{ id: number; identifier: string }[]>`
      select id, identifier from identity where environment_id = ${environment.id} and id = any(${sql.array(ids, INT8_ARRAY)})`;
    const identifiers = new Map(rows.map(({ id, identifier }) => [id, identifier]));
    yield ids.map((id) => ({
      identifier: identifiers.get(id) ?? '',
      plan: PLANS[uniformInt(random, 0, PLANS.length - 1)] ?? '',
      score: uniformInt(random, 0, SCORES - 1),
    }));
  }
}

/** The event as the applier takes it. */
export function changeOf({ identifier, plan, score }: TraitEvent, index: number) {
  const traits = new Map([
    ['plan', JSON.stringify(plan)],
    [SCORE, String(score)],
  ]);
  return { index, environmentKey: ENVIRONMENT, change: { kind: 'set_traits' as const, identifier, traits } };
}

/** The event as a producer sends it. */
export function messageOf({ identifier, plan, score }: TraitEvent): { readonly key: string; readonly value: Buffer } {
  const traits = {
    plan: { kind: { case: 'stringValue' as const, value: plan } },
    [SCORE]: { kind: { case: 'intValue' as const, value: BigInt(score) } },
  };
  const change = create(IdentityChangeSchema, {
    environmentKey: ENVIRONMENT,
    identifier,
    change: { case: 'setTraits', value: { traits } },
  });
  return { key: `${ENVIRONMENT}:${identifier}`, value: Buffer.from(toBinary(IdentityChangeSchema, change)) };
}
