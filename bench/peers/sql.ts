import type { Question } from '../world/questions.js';
import type { World } from '../world/world.js';
import type { Peer } from './peer.js';
import { type PeerDatabase, typedCondition } from './peer-database.js';
import { POSTGRES_REMAINDER, withSplit } from './split-sql.js';

/** Counting in the Postgres that Rollcall's own tables are in; each statement is prepared once. */
export function sqlPeers({ environment }: World, { database }: PeerDatabase): Peer[] {
  const counting = (table: string, condition: string) => async (): Promise<number> => {
    const [row] = await database.sql.unsafe<{ count: number }[]>(
      `select count(*) as count from ${table} where ${condition}`,
      [],
      { prepare: true },
    );
    return row?.count ?? NaN;
  };
  const ofStored = (condition: string, question: Question) =>
    counting(
      'identity',
      `environment_id = ${environment.id} and deleted_revision is null and ${withSplit(condition, question, POSTGRES_REMAINDER)}`,
    );
  return [
    { name: 'SQL over jsonb', counting: (question) => ofStored(question.jsonb, question) },
    {
      name: 'SQL over jsonb with a GIN index',
      counting: (question) => (question.contained === undefined ? undefined : ofStored(question.contained, question)),
    },
    {
      name: 'SQL over typed columns with an index of its own',
      counting: (question) => counting('person', typedCondition(question)),
    },
  ];
}
