/** A table whose columns from `rightFrom` to `rightTo` are aligned right. */
export function markdownTable(
  heads: readonly string[],
  rows: readonly (readonly string[])[],
  rightFrom: number,
  rightTo = heads.length - 1,
): string {
  const rule = heads.map((_, column) => (column >= rightFrom && column <= rightTo ? '--:' : '---'));
  return [heads, rule, ...rows.map((row) => row.map(escaped))].map((row) => `| ${row.join(' | ')} |`).join('\n');
}

function escaped(cell: string): string {
  return cell.trim().replaceAll('|', '\\|');
}
