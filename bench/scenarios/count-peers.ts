import type { Figure } from '../report/figures.js';
import type { World } from '../world/world.js';
import { MAIN_QUESTION } from './count-idle.js';
import type { QuestionTimes } from './count-questions.js';
import { ratioFigure } from './count-ratios.js';

/** How often Count's time goes into a peer's, in worlds of GOALS_FROM identities and more. */
const GOALS: ReadonlyMap<string, number> = new Map([
  ['SQL over jsonb', 1_000],
  ['SQL over jsonb with a GIN index', 1_000],
  ['SQL over typed columns with an index of its own', 20],
  ['DuckDB', 100],
]);
const GOALS_FROM = 10_000_000;
const SCENARIO = 'count against peers';

/** How many times faster than each peer: with the question that has the goals, and where it is least. */
export function peerFigures({ identities }: World, questions: readonly QuestionTimes[]): Figure[] {
  return [...GOALS].flatMap(([name, least]) => {
    const ratios = questions.flatMap(({ key, count, peers }) => {
      const ms = peers.get(name);
      return ms === undefined ? [] : [{ key, ratio: ms / count.p50Ms }];
    });
    const main = ratios.find(({ key }) => key === MAIN_QUESTION)?.ratio ?? NaN;
    return [
      ratioFigure(SCENARIO, `${name} / Count, ${MAIN_QUESTION}`, main, identities < GOALS_FROM ? {} : { least }),
      ratioFigure(
        SCENARIO,
        `${name} / Count, least of the questions`,
        Math.min(...ratios.map(({ ratio }) => ratio)),
        {},
      ),
    ];
  });
}
