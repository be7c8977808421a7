import { strictEqual } from 'node:assert/strict';
import type { OrdinalSet } from '../../src/core/bitmap.js';
import type { StreamQuestion, Streamed } from '../measure/stream-calls.js';
import { drainCopy } from '../measure/stream-copy.js';
import type { AskStream } from '../measure/stream-processes.js';
import { timed } from '../measure/statistics.js';
import { ENVIRONMENT, type World } from '../world/world.js';
import { membersQuery, readAhead, readOneByOne } from './stream-pages.js';

/** A segment of a share of all identities. */
export interface Segment {
  readonly key: string;
  readonly share: number;
  readonly set: OrdinalSet;
}

/** Who asks whom. */
export interface Callers {
  readonly rollcall: AskStream;
  readonly cursor: AskStream;
  readonly prepared: AskStream;
}

/** One way to have the members: it runs once, and says how many came in how long. */
export interface Side {
  readonly what: string;
  readonly run: () => Promise<Pick<Streamed, 'members' | 'ms' | 'firstMs'>>;
}

/** Members of one run: large worlds shall not take an hour. */
const MEMBERS = 2_000_000;
const MEMBERS_DECODED = 500_000;
const MEMBERS_WITH_TRAITS = 20_000;
const SHARDS = 4;

/** The rows that others are compared with. */
export const WHAT = {
  pages: 'page queries alone, one at a time',
  ahead: 'page queries alone, as the service asks them',
  copy: 'COPY to stdout',
  bytes: 'StreamMembers, client counts bytes',
  memory: 'server peak memory',
} as const;

/** Every way to have the members of a segment, StreamMembers first. */
export function sidesOf(world: World, segment: Segment, callers: Callers): Side[] {
  const { key, share, set } = segment;
  const stream = (what: string, options: Partial<StreamQuestion>, limit: number): Side => ({
    what: `StreamMembers, ${what}`,
    run: () => askFor(callers.rollcall, segment, { ...questionOf(key), ...options, limit }),
  });
  const shards = { shards: SHARDS };
  const traits = { includeTraits: true };
  const decodes = { decodes: true };
  return [
    { what: WHAT.bytes, run: () => askFor(callers.rollcall, segment, { ...questionOf(key), limit: MEMBERS }) },
    stream('client decodes', decodes, MEMBERS_DECODED),
    stream(`${SHARDS} shards, client counts bytes`, shards, MEMBERS),
    stream(`${SHARDS} shards, client decodes`, { ...shards, ...decodes }, MEMBERS_DECODED),
    stream('with traits, client counts bytes', traits, MEMBERS_WITH_TRAITS),
    stream('with traits, client decodes', { ...traits, ...decodes }, MEMBERS_WITH_TRAITS),
    stream(`with traits, ${SHARDS} shards, client counts bytes`, { ...traits, ...shards }, MEMBERS_WITH_TRAITS),
    { what: WHAT.pages, run: () => measured(set, MEMBERS, (limit) => readOneByOne(world, set, limit)) },
    { what: WHAT.ahead, run: () => measured(set, MEMBERS, (limit) => readAhead(world, set, limit)) },
    { what: WHAT.copy, run: () => copy(world, segment) },
    {
      what: 'SQL cursor, generated code, grpc-js; client counts bytes',
      run: () => {
        const segmentQuery = `${membersQuery(world, share, 'id, identifier')} limit ${MEMBERS_DECODED}`;
        return askFor(callers.cursor, segment, { ...questionOf(segmentQuery), limit: MEMBERS_DECODED });
      },
    },
    {
      what: 'prepared messages over grpc-js, client counts bytes',
      run: () => callers.prepared(questionOf(String(Math.min(set.size, MEMBERS)))),
    },
  ];
}

function questionOf(segment: string): StreamQuestion {
  return { environment: ENVIRONMENT, segment, shards: 1, includeTraits: false, decodes: false, limit: 0 };
}

/** Fails unless everyone came. A limit is shared out to the shards, of which the smallest may have fewer. */
async function askFor(ask: AskStream, { key, set }: Segment, question: StreamQuestion): Promise<Streamed> {
  const streamed = await ask(question);
  if (question.shards === 1 || set.size <= question.limit / 2)
    strictEqual(streamed.members, Math.min(set.size, question.limit), `members of ${key}`);
  return streamed;
}

async function measured(set: OrdinalSet, most: number, read: (limit: number) => Promise<number>) {
  const limit = Math.min(set.size, most);
  let members = 0;
  const ms = await timed(async () => (members = await read(limit)));
  strictEqual(members, limit, 'the pages have every member');
  return { members, ms, firstMs: NaN };
}

async function copy(world: World, { share, set }: Segment) {
  const query = `${membersQuery(world, share, 'id, identifier')} limit ${MEMBERS}`;
  return { members: Math.min(set.size, MEMBERS), ms: await drainCopy(world.url, query), firstMs: NaN };
}
