import type { Timestamp } from '@bufbuild/protobuf/wkt';
import { timestampDate } from '@bufbuild/protobuf/wkt';

/** 1234567 as `1,234,567`. */
export function formatCount(count: bigint | number): string {
  return count.toLocaleString('en-US');
}

/** `count` things, in the plural unless it is one. */
export function formatThings(count: bigint | number, one: string, many = `${one}s`): string {
  return `${formatCount(count)} ${Number(count) === 1 ? one : many}`;
}

/** Milliseconds as people read them: `0.42 ms`, `35 ms`, `2.1 s`. */
export function formatDuration(milliseconds: number): string {
  if (milliseconds < 10) return `${milliseconds.toFixed(2)} ms`;
  if (milliseconds < 1000) return `${milliseconds.toFixed(0)} ms`;
  return `${(milliseconds / 1000).toFixed(1)} s`;
}

/** Seconds as people wait for them: `8 s`, `3 min`, `2.5 h`. */
export function formatSeconds(seconds: number): string {
  if (seconds < 90) return `${Math.ceil(seconds)} s`;
  if (seconds < 5_400) return `${Math.ceil(seconds / 60)} min`;
  return `${(seconds / 3_600).toFixed(1)} h`;
}

/** Things in a second, rounded: `38,000/s`. */
export function formatRate(count: number, milliseconds: number): string {
  const rate = count / Math.max(milliseconds / 1000, 0.001);
  return `${formatCount(rate < 1000 ? Math.round(rate) : Number(rate.toPrecision(3)))}/s`;
}

export function formatBytes(bytes: number): string {
  if (bytes < 1024) return `${bytes} B`;
  if (bytes < 1024 ** 2) return `${(bytes / 1024).toFixed(1)} KiB`;
  return `${(bytes / 1024 ** 2).toFixed(1)} MiB`;
}

/** ISO 8601, or undefined where there is none. */
export function timeText(timestamp: Timestamp | undefined): string | undefined {
  return timestamp === undefined ? undefined : timestampDate(timestamp).toISOString();
}
