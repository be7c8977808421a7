import { isIPv4 } from 'node:net';
import { z } from 'zod';

/** What kind of text an option takes; named in the README's table and as the flag's placeholder. */
export type ValueKind =
  | 'URL'
  | 'path'
  | 'host'
  | 'port'
  | 'level'
  | 'switch'
  | 'word'
  | 'list'
  | 'text'
  | 'number'
  | 'size'
  | 'seconds'
  | 'milliseconds';

/** How one option's text is read: every flag, environment variable and default is a text first. */
export interface OptionValue<Output> {
  readonly kind: ValueKind;
  readonly schema: z.ZodType<Output, string>;
}

const BYTES_IN: Readonly<Record<string, number>> = {
  '': 1,
  B: 1,
  KiB: 2 ** 10,
  MiB: 2 ** 20,
  GiB: 2 ** 30,
  TiB: 2 ** 40,
};

/** A timer asked for longer than this fires at once. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

const MOST = {
  port: 65_535,
  number: Number.MAX_SAFE_INTEGER,
  seconds: Math.floor(LONGEST_TIMER_MS / 1000),
  milliseconds: LONGEST_TIMER_MS,
};

/** A whole number from `least` to `most`, both included. */
export function wholeNumber(kind: keyof typeof MOST, least: number, most = MOST[kind]): OptionValue<number> {
  const read = (input: string) => (/^\d+$/.test(input) ? Number(input) : undefined);
  return { kind, schema: numberBetween({ form: 'a whole number', read, format: String }, least, most) };
}

/** A number of bytes, at least `leastBytes`: `1048576`, `1024KiB` and `1 MiB` are the same. */
export function size(leastBytes: number): OptionValue<number> {
  const notation = { form: 'a size such as 64MiB', read: readBytes, format: formatBytes };
  return { kind: 'size', schema: numberBetween(notation, leastBytes, Number.MAX_SAFE_INTEGER) };
}

/** `true` or `false`; a flag of this kind takes no value. */
export function onOrOff(): OptionValue<boolean> {
  return {
    kind: 'switch',
    schema: z.stringbool({ truthy: ['true', '1'], falsy: ['false', '0'], error: 'must be true or false' }),
  };
}

/** One of the given words. */
export function oneOf<const Choice extends string>(kind: ValueKind, choices: readonly Choice[]): OptionValue<Choice> {
  const schema = z.string().pipe(z.enum(choices, { error: `must be one of ${choices.join(', ')}` }));
  return { kind, schema };
}

/** Any text that is not blank and, where a pattern is given, matches it. */
export function text(kind: ValueKind, pattern = /\S/, mistake = 'must not be blank'): OptionValue<string> {
  return { kind, schema: z.string().regex(pattern, mistake) };
}

/** Texts that match the pattern, separated by commas; at least one, each once. */
export function list(pattern: RegExp, mistake: string): OptionValue<readonly string[]> {
  const schema = z.string().transform((input, context): readonly string[] => {
    const items = input.split(',').map((item) => item.trim());
    if (items.every((item) => pattern.test(item))) return [...new Set(items)];
    context.addIssue(mistake);
    return z.NEVER;
  });
  return { kind: 'list', schema };
}

/** Whether a server on this host is reached from this machine only. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIPv4(host) && host.startsWith('127.'));
}

interface Notation {
  readonly form: string;
  readonly read: (text: string) => number | undefined;
  readonly format: (value: number) => string;
}

function numberBetween({ form, read, format }: Notation, least: number, most: number): z.ZodType<number, string> {
  const isOpen = most === Number.MAX_SAFE_INTEGER;
  const range = isOpen ? `of at least ${format(least)}` : `from ${format(least)} to ${format(most)}`;
  return z.string().transform((input, context) => {
    const value = read(input.trim());
    if (value !== undefined && value >= least && value <= most) return value;
    context.addIssue(`must be ${form} ${range}`);
    return z.NEVER;
  });
}

function readBytes(input: string): number | undefined {
  const [, digits, unit = ''] = /^(\d+)\s*([KMGT]iB|B|)$/.exec(input) ?? [];
  const factor = BYTES_IN[unit];
  return digits === undefined || factor === undefined ? undefined : Number(digits) * factor;
}

function formatBytes(bytes: number): string {
  const exact = Object.entries(BYTES_IN).filter(([, factor]) => bytes >= factor && bytes % factor === 0);
  const [unit, factor] = exact.at(-1) ?? ['B', 1];
  return `${String(bytes / factor)}${unit}`;
}
