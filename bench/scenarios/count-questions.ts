import { strictEqual } from 'node:assert/strict';
import { LoadSeries, type RunLoad } from '../measure/load.js';
import { median, timed } from '../measure/statistics.js';
import type { Peer } from '../peers/peer.js';
import type { Figure } from '../report/figures.js';
import { type Question, QUESTIONS } from '../world/questions.js';
import type { World } from '../world/world.js';
import { checkCount, countCall, countOf, type Served } from './count-calls.js';
import { heat, timesIn } from './count-loads.js';

/** A peer is not asked again once it has taken so long for a question. */
const PEER_BUDGET_MS = 1_000;
/** In each round a peer is asked again within this. */
const ROUND_MS = 5;

/** The times of one question, in milliseconds. */
export interface QuestionTimes {
  readonly key: string;
  readonly count: LoadSeries;
  /** By name; without those that it cannot be put to. */
  readonly peers: ReadonlyMap<string, number>;
}

interface Asking {
  readonly server: Served;
  readonly run: RunLoad;
  readonly peers: readonly Peer[];
  readonly rounds: number;
  readonly world: World;
}

/** Every question to Rollcall, with one call in flight, and to the peers, in turn; all must agree. */
export async function measureQuestions(asking: Asking): Promise<QuestionTimes[]> {
  const times: QuestionTimes[] = [];
  for (const question of QUESTIONS) times.push(await measureQuestion(asking, question));
  return times;
}

/** The times as figures. */
export function questionFigures({ key, count, peers }: QuestionTimes): Figure[] {
  const scenario = `count ${key}`;
  return [
    { scenario, what: 'Count', value: count.p50Ms, unit: 'ms', p99: count.p99Ms },
    ...[...peers].map(([what, value]) => ({ scenario, what, value, unit: 'ms' })),
  ];
}

async function measureQuestion(
  { server, run, peers, rounds, world }: Asking,
  question: Question,
): Promise<QuestionTimes> {
  const { pid, ...target } = countCall(server, question.key);
  const times = timesIn(world);
  const members = countOf(await heat(run, { pid, ...target }, times));
  const count = new LoadSeries();
  const asked: PeerTimes[] = [];
  for (const peer of peers) {
    const ask = peer.counting(question);
    if (ask !== undefined) asked.push(await PeerTimes.begin(peer.name, ask, members, question.key));
  }
  for (let round = 0; round < rounds; round++) {
    checkCount((await count.run(run, { ...target, inFlight: 1, ...times }, pid)).answer, members, question.key);
    for (const peer of asked) await peer.askAgain();
  }
  return { key: question.key, count, peers: new Map(asked.map(({ name, ms }) => [name, ms])) };
}

/** How long a peer takes for a question. The first time it only warms up, unless that was long already. */
class PeerTimes {
  readonly name: string;
  readonly #ask: () => Promise<number>;
  #spentMs: number;
  #measuredMs: number[] = [];

  static async begin(name: string, ask: () => Promise<number>, members: number, key: string): Promise<PeerTimes> {
    const ms = await timed(async () => strictEqual(await ask(), members, `${name} and Rollcall agree on ${key}`));
    return new PeerTimes(name, ask, ms);
  }

  private constructor(name: string, ask: () => Promise<number>, firstMs: number) {
    this.name = name;
    this.#ask = ask;
    this.#spentMs = firstMs;
    if (firstMs >= PEER_BUDGET_MS) this.#measuredMs.push(firstMs);
  }

  async askAgain(): Promise<void> {
    for (let ms = 0; ms < ROUND_MS && this.#spentMs < PEER_BUDGET_MS;) {
      const once = await timed(this.#ask);
      this.#measuredMs.push(once);
      ms += once;
      this.#spentMs += once;
    }
  }

  get ms(): number {
    return median(this.#measuredMs);
  }
}
