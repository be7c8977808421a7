import { withLoadClient } from '../measure/load.js';
import { withServer } from '../measure/server-process.js';
import { openDuckDb } from '../peers/duckdb.js';
import type { Peer } from '../peers/peer.js';
import { openPeerDatabase } from '../peers/peer-database.js';
import { roaringPeer } from '../peers/roaring.js';
import { sqlPeers } from '../peers/sql.js';
import type { Figure } from '../report/figures.js';
import type { World } from '../world/world.js';
import { withEmptyServer } from './count-calls.js';
import { measureWhileChanging } from './count-changing.js';
import { measureIdle } from './count-idle.js';
import { peerFigures } from './count-peers.js';
import { measureQuestions, questionFigures } from './count-questions.js';

/** Count over gRPC by calls in flight, beside an empty call; each question beside what a user would ask instead; then the same while changes are applied. */
export async function countScenario(world: World, rounds: number): Promise<Figure[]> {
  return withLoadClient(async (run) => {
    const { idle, questions } = await withPeers(world, (peers) =>
      withServer(world.url, async (address, pid) => {
        const server = { address, pid };
        return {
          idle: await withEmptyServer((empty) => measureIdle({ server, empty, run, rounds, world })),
          questions: await measureQuestions({ server, run, peers, rounds, world }),
        };
      }),
    );
    const changing = await measureWhileChanging({ world, run, rounds, idleEmptyMs: idle.emptyMs });
    return [...idle.figures, ...peerFigures(world, questions), ...changing, ...questions.flatMap(questionFigures)];
  });
}

async function withPeers<Result>(world: World, work: (peers: readonly Peer[]) => Promise<Result>): Promise<Result> {
  const database = await openPeerDatabase(world, console.error);
  try {
    const duckDb = await openDuckDb(world, database, console.error);
    try {
      return await work([...sqlPeers(world, database), duckDb.peer, await roaringPeer(world)]);
    } finally {
      duckDb.close();
    }
  } finally {
    await database.close();
  }
}
