import { z } from 'zod';

/** One measured figure: a median, with what else was seen. `goal` says what it should be; `isReached` whether it is. */
export interface Figure {
  /** Which table it is in, and which row: the same in every run, whatever the world. */
  readonly scenario: string;
  readonly what: string;
  readonly value: number;
  readonly unit: string;
  /** In the same unit. */
  readonly p99?: number;
  /** Sent or written for it: of what the scenario says. */
  readonly bytes?: number;
  /** Of the process measured, user and system. */
  readonly cpuSeconds?: number;
  /** The most resident memory of the process measured. */
  readonly peakBytes?: number;
  readonly goal?: string;
  readonly isReached?: boolean;
}

const number = z.number();

/** A figure as it was kept. */
export const FIGURE = z.object({
  scenario: z.string(),
  what: z.string(),
  // What is not a number is null in JSON.
  value: number.nullable().transform((value) => value ?? Number.NaN),
  unit: z.string(),
  p99: number.exactOptional(),
  bytes: number.exactOptional(),
  cpuSeconds: number.exactOptional(),
  peakBytes: number.exactOptional(),
  goal: z.string().exactOptional(),
  isReached: z.boolean().exactOptional(),
});
