const BYTE_UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];

/** Three significant digits, or whole from 1,000 on. */
export function formatValue(value: number): string {
  if (!Number.isFinite(value)) return '?';
  if (Math.abs(value) >= 1000) return Math.round(value).toLocaleString('en');
  return Number.isInteger(value) ? String(value) : value.toPrecision(3);
}

/** In the unit that leaves one to four digits before the point. */
export function formatBytes(bytes: number): string {
  const power = bytes < 1 ? 0 : Math.min(BYTE_UNITS.length - 1, Math.floor(Math.log2(bytes) / 10));
  return `${formatValue(bytes / 1024 ** power)} ${BYTE_UNITS[power] ?? ''}`;
}

/** A count of identities in words: '10 M', '300 k'. */
export function formatCount(count: number): string {
  if (count >= 1_000_000 && count % 10_000 === 0) return `${count / 1_000_000} M`;
  return count >= 1_000 && count % 10 === 0 ? `${count / 1_000} k` : String(count);
}
