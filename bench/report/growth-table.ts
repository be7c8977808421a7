import type { WorldFigures } from './figures-file.js';
import { formatCount } from './format-value.js';
import { type Growth, growthByIdentities } from './growth-exponents.js';
import { alignRows } from './terminal-table.js';

/** How each row grows with the identities, over the worlds that were measured; '' where there is one only. */
export function formatGrowth(worlds: readonly WorldFigures[]): string {
  const growths = growthByIdentities(worlds);
  if (growths.length === 0) return '';
  const rows = growths.map(({ scenario, what, quantity, exponent, ...growth }) => [
    scenario,
    what,
    exponent.toFixed(2),
    quantity,
    describeSizes(growth),
  ]);
  const heads = ['scenario', 'what', 'exponent', 'of', 'identities'];
  return [
    'Growth with the identities: 0 does not grow, 1 grows in proportion',
    '',
    alignRows([heads, ...rows], [false, false, true, false, false]),
  ].join('\n');
}

export function describeSizes({ sizes, from, to }: Pick<Growth, 'sizes' | 'from' | 'to'>): string {
  return `${formatCount(from)} to ${formatCount(to)}${sizes > 2 ? `, ${sizes} sizes` : ''}`;
}
