import type { Figure } from '../report/figures.js';

/** What a ratio should be; neither where there is no goal. */
export interface RatioGoal {
  readonly most?: number;
  readonly least?: number;
}

/** A ratio as a figure. */
export function ratioFigure(scenario: string, what: string, value: number, { most, least }: RatioGoal): Figure {
  const figure = { scenario, what, value, unit: '×' };
  if (most !== undefined) return { ...figure, goal: `≤ ${most.toLocaleString('en')}`, isReached: value <= most };
  if (least !== undefined) return { ...figure, goal: `≥ ${least.toLocaleString('en')}`, isReached: value >= least };
  return figure;
}
