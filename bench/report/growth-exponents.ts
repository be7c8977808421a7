import type { WorldFigures } from './figures-file.js';
import type { Figure } from './figures.js';

/** How one row grows: its value is about in proportion to the number to the power of `exponent`. */
export interface Growth {
  readonly scenario: string;
  readonly what: string;
  /** What grows: 'ms', or of a rate the time for one of what it counts. */
  readonly quantity: string;
  readonly exponent: number;
  /** How many sizes it was measured at, and the first and last of them. */
  readonly sizes: number;
  readonly from: number;
  readonly to: number;
}

export interface Point {
  readonly size: number;
  readonly value: number;
}

const RATE = /^(.+)\/s$/;
/** Units of what an operation costs. */
const COSTS = new Set(['s', 'ms', 'µs', 'ns', 'B', 'KiB', 'MiB', 'GiB', 'KB', 'MB', 'GB', 'bytes']);

/**
 * What a figure costs: a time and a size as they are, a rate as the seconds for one item. So 0 is what does not grow, 1 what grows in proportion,
 * of both alike; a rate of 0 is that of a whole that grows in proportion. Undefined for what is no cost, like a ratio.
 */
export function costOf({
  value,
  unit,
}: Pick<Figure, 'value' | 'unit'>): { value: number; quantity: string } | undefined {
  if (!(value > 0) || !Number.isFinite(value)) return undefined;
  const items = RATE.exec(unit)?.[1];
  if (items !== undefined) return { value: 1 / value, quantity: `s for one of the ${items}` };
  const first = unit.split(/[ /]/)[0] ?? '';
  return COSTS.has(first) ? { value, quantity: unit } : undefined;
}

/** The slope of the least-squares line through the logarithms; undefined below two sizes. */
export function exponentOf(points: readonly Point[]): number | undefined {
  const logs = points.map(({ size, value }) => ({ x: Math.log(size), y: Math.log(value) }));
  const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
  const x = mean(logs.map((log) => log.x));
  const y = mean(logs.map((log) => log.y));
  const spread = logs.reduce((sum, log) => sum + (log.x - x) ** 2, 0);
  return spread > 0 ? logs.reduce((sum, log) => sum + (log.x - x) * (log.y - y), 0) / spread : undefined;
}

/** Scenarios in environments of their own, which the world does not change. */
const OF_THEIR_OWN: ReadonlySet<string> = new Set(['growth', 'simulate']);

/** Of every row that was measured in at least two dense worlds, how it grows with their identities. */
export function growthByIdentities(worlds: readonly WorldFigures[]): Growth[] {
  const rows = new Map<string, { figure: Figure; quantity: string; points: Point[] }>();
  for (const world of worlds.filter(({ people }) => people.distribution === 'dense')) {
    const runs = Object.entries(world.runs).filter(([scenario]) => !OF_THEIR_OWN.has(scenario));
    for (const figure of runs.flatMap(([, { figures }]) => figures)) {
      const cost = costOf(figure);
      if (cost === undefined) continue;
      const key = JSON.stringify([figure.scenario, figure.what, cost.quantity]);
      const row = rows.get(key) ?? { figure, quantity: cost.quantity, points: [] };
      row.points.push({ size: world.people.count, value: cost.value });
      rows.set(key, row);
    }
  }
  return [...rows.values()].flatMap(({ figure: { scenario, what }, quantity, points }) => {
    const exponent = exponentOf(points);
    const sizes = points.map(({ size }) => size);
    if (exponent === undefined) return [];
    return {
      scenario,
      what,
      quantity,
      exponent,
      sizes: sizes.length,
      from: Math.min(...sizes),
      to: Math.max(...sizes),
    };
  });
}
