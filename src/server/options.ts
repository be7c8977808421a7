import type { z } from 'zod';
import { RollcallError } from '../core/errors.js';
import { DETAILS, OPTIONS } from './option-table.js';
import type { OptionDetails } from './option-table.js';
import { isLoopback } from './option-values.js';

type OptionName = keyof typeof OPTIONS.shape;

/** The configuration of a process, complete and frozen. Units are in the names; no `databaseUrl` means embedded. */
export type Options = Readonly<z.infer<typeof OPTIONS>>;

const NAMES = OPTIONS.keyof().options;
const ENVIRONMENT_EXCEPTIONS: Readonly<Partial<Record<OptionName, string>>> = {
  databaseUrl: 'DATABASE_URL',
  segmentMembershipEnabled: 'SEGMENT_MEMBERSHIP_ENABLED',
};
const SECRET: ReadonlySet<OptionName> = new Set<OptionName>([
  'databaseUrl',
  'flagsmithDatabaseUrl',
  'flagsmithFlagsKey',
  'kafkaSaslPassword',
]);

/** Where options come from: an environment, and flags as commander gives them (camelCase names; others are ignored). */
export interface OptionSources {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly flags: Readonly<Record<string, unknown>>;
}

interface Setting {
  readonly text: string;
  readonly source: string;
}

/**
 * Reads the options: a flag wins over the environment, the environment over the default; an empty variable counts as
 * unset. Throws one INVALID_REQUEST with a line for each problem, unknown `ROLLCALL_` variables included.
 */
export function loadOptions(input: OptionSources): Options {
  const settings = new Map(NAMES.map((name) => [name, settingOf(name, input)]));
  const texts = Object.fromEntries(NAMES.map((name) => [name, settings.get(name)?.text]));
  const parsed = OPTIONS.safeParse(texts);
  const mistakes = parsed.error?.issues.map((issue) => explainMistake(issue, settings)) ?? [];
  const problems = [
    ...mistakes,
    ...listenProblems(texts),
    ...kafkaProblems(settings),
    ...flagProblems(settings),
    ...unknownVariables(input.env),
  ];
  if (parsed.success && problems.length === 0) return Object.freeze(parsed.data);
  throw new RollcallError('INVALID_REQUEST', ['Some options cannot be used:', ...problems].join('\n  '));
}

/** The flags for commander, in the table's order: `--grpc-port <port>` and its description. They carry no default. */
export function optionFlags(): readonly { readonly flags: string; readonly description: string }[] {
  return NAMES.map((name) => {
    const { kind, default: standard, description } = detailsOf(name);
    const placeholder = kind === 'switch' ? '' : ` <${kind}>`;
    const origin = `default ${standard ?? 'none'}, env ${variableOf(name)}`;
    return { flags: `${flagOf(name)}${placeholder}`, description: `${description} (${origin})` };
  });
}

/** The options as the Markdown table of the README, a line for each in the table's order, ending without a newline. */
export function optionsTable(): string {
  const rows = NAMES.map((name) => {
    const { kind, default: standard, description } = detailsOf(name);
    const cells = [code(variableOf(name)), code(flagOf(name)), kind, code(standard), description];
    return `| ${cells.join(' | ')} |`;
  });
  return ['| Variable | Flag | Value | Default | Meaning |', '|---|---|---|---|---|', ...rows].join('\n');
}

function detailsOf(name: OptionName): OptionDetails {
  const details = DETAILS.get(OPTIONS.shape[name]);
  if (details === undefined) throw new RollcallError('INTERNAL', `Option ${name} has no details.`);
  return details;
}

function variableOf(name: OptionName): string {
  return ENVIRONMENT_EXCEPTIONS[name] ?? `ROLLCALL_${name.replace(/[A-Z]/g, '_$&').toUpperCase()}`;
}

function flagOf(name: OptionName): string {
  return `--${name.replace(/[A-Z]/g, '-$&').toLowerCase()}`;
}

function code(text: string | undefined): string {
  return text === undefined ? '' : `\`${text}\``;
}

function settingOf(name: OptionName, { env, flags }: OptionSources): Setting | undefined {
  const flag = flags[name];
  if (typeof flag === 'string' || typeof flag === 'boolean') return { text: String(flag), source: flagOf(name) };
  const variable = env[variableOf(name)];
  if (variable !== undefined && variable !== '') return { text: variable, source: variableOf(name) };
  const standard = defaultOf(name, env);
  return standard === undefined ? undefined : { text: standard, source: 'default' };
}

function defaultOf(name: OptionName, env: OptionSources['env']): string | undefined {
  if (name === 'segmentMembershipEnabled' && env['NODE_ENV'] === 'development') return 'true';
  return detailsOf(name).default;
}

function explainMistake(issue: z.core.$ZodIssue, settings: ReadonlyMap<OptionName, Setting | undefined>): string {
  const name = NAMES.find((candidate) => candidate === issue.path[0]);
  const setting = name === undefined ? undefined : settings.get(name);
  if (name === undefined || setting === undefined) return issue.message;
  return `${setting.source} ${issue.message}${SECRET.has(name) ? '' : `, but is ${JSON.stringify(setting.text)}`}`;
}

function listenProblems(texts: Readonly<Record<string, string | undefined>>): string[] {
  const listen = OPTIONS.pick({ host: true, insecure: true }).safeParse(texts).data;
  const ports = OPTIONS.pick({ grpcPort: true, httpPort: true }).safeParse(texts).data;
  const problems: string[] = [];
  if (listen !== undefined && !listen.insecure && !isLoopback(listen.host)) {
    problems.push(`host ${JSON.stringify(listen.host)} is reached by other machines: that needs ${flagOf('insecure')}`);
  }
  if (ports !== undefined && ports.grpcPort !== 0 && ports.grpcPort === ports.httpPort) {
    problems.push(`${flagOf('grpcPort')} and ${flagOf('httpPort')} must differ, but both are ${ports.grpcPort}`);
  }
  return problems;
}

function kafkaProblems(settings: ReadonlyMap<OptionName, Setting | undefined>): string[] {
  const isSet = (name: OptionName): boolean => settings.get(name) !== undefined;
  const problems: string[] = [];
  const needs = (name: OptionName, other: OptionName): void => {
    if (isSet(name) && !isSet(other)) problems.push(`${flagOf(name)} needs ${flagOf(other)}`);
  };
  needs('kafkaSaslMechanism', 'kafkaSaslUsername');
  needs('kafkaSaslMechanism', 'kafkaSaslPassword');
  needs('kafkaSaslUsername', 'kafkaSaslMechanism');
  needs('kafkaSaslPassword', 'kafkaSaslMechanism');
  if (isSet('kafkaTlsCaFile') && !['true', '1'].includes(settings.get('kafkaTls')?.text ?? ''))
    problems.push(`${flagOf('kafkaTlsCaFile')} needs ${flagOf('kafkaTls')}`);
  return problems;
}

function flagProblems(settings: ReadonlyMap<OptionName, Setting | undefined>): string[] {
  const isFlagsmith = settings.get('flagProvider')?.text === 'flagsmith';
  if (!isFlagsmith || settings.get('flagsmithFlagsKey') !== undefined) return [];
  return [`${flagOf('flagProvider')} flagsmith needs ${flagOf('flagsmithFlagsKey')}`];
}

function unknownVariables(env: OptionSources['env']): string[] {
  const known = new Set(NAMES.map(variableOf));
  const unknown = Object.keys(env).filter((variable) => variable.startsWith('ROLLCALL_') && !known.has(variable));
  return unknown.sort().map((variable) => `${variable} is no option of this release`);
}
