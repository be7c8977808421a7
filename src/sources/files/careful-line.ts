import { formatTrait, isList, parseTrait } from '../../core/trait-text.js';
import type { TraitValue } from '../../core/values.js';
import { type FileRow, identifierProblem, type Problem, readId, traitProblem } from './file-row.js';

/** Where the parts of an identity are in a JSON object. */
export interface MemberChoice {
  readonly identifierMember: string;
  readonly idMember?: string;
  /** A null is the trait `null`; else it is no trait. */
  readonly keepsNulls?: boolean;
}

/** What a line holds, or why it cannot be taken. */
export type Reading = Omit<FileRow, 'line'> | (Problem & { readonly identifier: string });

type Members = Readonly<Record<string, TraitValue>>;

/** Reads a line of NDJSON by building all of it. The text is not blank. */
export function readCarefully(text: string, choice: MemberChoice): Reading {
  const value = parse(text);
  if (value === undefined) return notTaken('the line is not JSON');
  if (!isMembers(value)) return notTaken('the line is not a JSON object');
  const identifier = identifierOf(value[choice.identifierMember]);
  if (identifier === undefined)
    return notTaken(`there is no text or integer in ${JSON.stringify(choice.identifierMember)}`);
  const id = choice.idMember === undefined ? undefined : readId(value[choice.idMember]);
  if (choice.idMember !== undefined && id === undefined)
    return notTaken(`there is no id in ${JSON.stringify(choice.idMember)}`, identifier);
  const members = traitsOf(value, choice);
  if (members === undefined) return notTaken('beside `traits` there are other members', identifier);
  const problem = firstProblem(members, ([name, trait]) => traitProblem(name, trait)) ?? identifierProblem(identifier);
  if (problem !== undefined) return { ...problem, identifier };
  const kept = choice.keepsNulls === true ? members : members.filter(([, trait]) => trait !== null);
  const traits = new Map(kept.map(([name, trait]) => [name, formatTrait(trait)]));
  return id === undefined ? { identifier, traits } : { identifier, id, traits };
}

function notTaken(problem: string, identifier = ''): Reading {
  return { identifier, reason: 'INVALID_DOCUMENT', problem };
}

function firstProblem<Item>(items: readonly Item[], check: (item: Item) => Problem | undefined): Problem | undefined {
  for (const item of items) {
    const problem = check(item);
    if (problem !== undefined) return problem;
  }
  return undefined;
}

function parse(text: string): TraitValue | undefined {
  try {
    return parseTrait(text);
  } catch {
    return undefined;
  }
}

/** `id` beside `traits` is what an export has written. */
function traitsOf(members: Members, { identifierMember, idMember }: MemberChoice): [string, TraitValue][] | undefined {
  const { traits } = members;
  const others = Object.entries(members).filter(([name]) => name !== identifierMember && name !== idMember);
  if (!isMembers(traits)) return others;
  return others.every(([name]) => name === 'traits' || name === 'id') ? Object.entries(traits) : undefined;
}

function identifierOf(value: TraitValue | undefined): string | undefined {
  if (typeof value === 'bigint') return value.toString();
  return typeof value === 'string' ? value : undefined;
}

function isMembers(value: TraitValue | undefined): value is Members {
  return typeof value === 'object' && value !== null && !isList(value);
}
