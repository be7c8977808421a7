import type { MessageInitShape } from '@bufbuild/protobuf';
import { setTimeout as delay } from 'node:timers/promises';
import { RollcallError } from '../core/errors.js';
import type { FreshnessSchema } from '../gen/rollcall/v1/freshness_pb.js';
import type { SelectorSchema } from '../gen/rollcall/v1/selector_pb.js';
import { collect, environmentOption, longCommand, parseInteger } from './base-commands.js';
import { CommandError } from './command-error.js';
import type { CommandContext } from './context.js';
import type { DefinitionOptions } from './definition-options.js';
import { readDefinition } from './definition-options.js';
import type { Progress } from './progress.js';
import { showsProgress, startProgress } from './progress.js';
import type { SegmentDefinition } from './segment-definition.js';
import { dialectOf } from './dialects.js';
import { ruleMessages } from './segment-definition.js';

type SelectorInit = MessageInitShape<typeof SelectorSchema>;
type FreshnessInit = MessageInitShape<typeof FreshnessSchema>;

/** A command that asks about one segment or draft of an environment. */
export function readCommand(name: string, examples: readonly string[]) {
  return longCommand(name, examples)
    .addOption(environmentOption())
    .option('--where <condition>', 'instead of a segment: "property OPERATOR value"; several are ANDed', collect)
    .option('--rules <json>', 'instead of a segment: a definition or its list of rules')
    .option('--file <path>', 'instead of a segment: a file with a definition')
    .option('--latest', 'answer at the newest revision in the database')
    .option('--at-least-revision <revision>', 'answer at this revision or a later one', parseInteger);
}

export interface FreshnessOptions {
  readonly latest?: true;
  readonly atLeastRevision?: bigint;
}

/** How new the answer must be; nothing where the options leave it to the server. */
export function freshnessOf(options: FreshnessOptions): { freshness?: FreshnessInit } {
  if (options.latest === true) return { freshness: { level: { case: 'latest', value: true } } };
  if (options.atLeastRevision === undefined) return {};
  return { freshness: { level: { case: 'atLeastRevision', value: options.atLeastRevision } } };
}

/** Whose members are asked for: the segment, or the draft that the options define. Throws USAGE unless it is exactly one. */
export async function selectorOf(
  segment: string | undefined,
  options: DefinitionOptions & { readonly environment: string },
): Promise<SelectorInit> {
  const draft = await readDefinition(options);
  if (segment !== undefined && draft !== undefined)
    throw new CommandError('USAGE', 'give a segment or a draft, not both');
  if (segment !== undefined) return { environment: options.environment, target: { case: 'segment', value: segment } };
  if (draft !== undefined)
    return { environment: options.environment, target: { case: 'draft', value: draftOf(draft) } };
  throw new CommandError('USAGE', 'give the key of a segment, or a draft by --where, --rules or --file');
}

function draftOf({ key, rules, parent, dialect }: SegmentDefinition) {
  const texts = { parent: parent ?? '', dialect: dialectOf(dialect) };
  return { rules: ruleMessages(rules), ...texts, ...(key === undefined ? {} : { key }) };
}

const POLL_MS = 100;
const BUILDING = { label: 'Building atoms', total: 100 };

/**
 * Repeats a read that failed because an atom is being built, until it is ready or the timeout is over. `onProgress` is told which
 * share of the atom is built; without it a bar shows it.
 */
export async function whenBuilt<Answer>(
  context: CommandContext,
  options: { readonly timeout: number; readonly progress?: boolean },
  read: () => Promise<Answer>,
  onProgress?: (share: number) => void,
): Promise<Answer> {
  const giveUpAt = Date.now() + options.timeout * 1000;
  let bar: Progress | undefined;
  const show =
    onProgress ??
    ((share) => (bar ??= startProgress(showsProgress(options), BUILDING)).update(Math.round(share * 100)));
  try {
    for (;;) {
      const answer = await unlessBuilding(read);
      if ('answer' in answer) return answer.answer;
      if (Date.now() >= giveUpAt) throw answer.building;
      show(Number(answer.building.metadata['progress'] ?? 0));
      await delay(POLL_MS, undefined, { signal: context.signal });
    }
  } finally {
    bar?.stop();
  }
}

async function unlessBuilding<Answer>(
  read: () => Promise<Answer>,
): Promise<{ answer: Answer } | { building: RollcallError }> {
  try {
    return { answer: await read() };
  } catch (error) {
    if (error instanceof RollcallError && error.reason === 'ATOM_BUILDING') return { building: error };
    throw error;
  }
}
