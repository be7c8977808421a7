import { isUtf8 } from 'node:buffer';
import { isList, parseTrait } from '../../core/trait-text.js';
import type { TraitValue } from '../../core/values.js';
import type { BadRows } from './bad-rows.js';
import { readByteLines } from './byte-lines.js';
import type { ImportRow } from './import-rows.js';
import { createIdentifierCheck, readId, traitProblem } from './import-rows.js';
import type { InputFile } from './input-file.js';

export interface MemberChoice {
  /** The member that holds the identifier. */
  readonly identifierColumn: string;
  readonly idColumn?: string;
}

type Members = Readonly<Record<string, TraitValue>>;
type Reading = { readonly row: ImportRow } | { readonly problem: string };

/**
 * The identities of an NDJSON file: one object a line, `{"identifier": …, "traits": {…}}` or flat, where every member but the
 * identifier is a trait. 1 is an integer, 1.0 a float. Blank lines are left out.
 */
export async function* readNdjsonRows(
  file: InputFile,
  choice: MemberChoice,
  badRows: BadRows,
  onBytes: (bytes: number) => void,
): AsyncGenerator<ImportRow> {
  const identifiers = createIdentifierCheck(badRows);
  for await (const { line, bytes } of readByteLines(file.read(onBytes))) {
    if (!isUtf8(bytes)) {
      badRows.reject(line, 'the line is not UTF-8');
      continue;
    }
    const text = bytes
      .toString('utf8')
      .replace(/^\uFEFF/, '')
      .trim();
    if (text === '') continue;
    const reading = readLine(line, text, choice);
    if ('problem' in reading) badRows.reject(line, reading.problem);
    else if (identifiers.accept(line, reading.row.identifier)) yield reading.row;
  }
}

function readLine(line: number, text: string, choice: MemberChoice): Reading {
  const value = parse(text);
  if (value === undefined) return { problem: 'the line is not JSON' };
  if (!isMembers(value)) return { problem: 'the line is not a JSON object' };
  const identifier = identifierOf(value[choice.identifierColumn]);
  if (identifier === undefined)
    return { problem: `there is no text or integer in ${JSON.stringify(choice.identifierColumn)}` };
  const id = choice.idColumn === undefined ? undefined : readId(value[choice.idColumn]);
  if (choice.idColumn !== undefined && id === undefined)
    return { problem: `there is no id in ${JSON.stringify(choice.idColumn)}` };
  const traits = traitsOf(value, choice);
  if (traits === undefined) return { problem: 'beside `traits` there are other members' };
  for (const [name, trait] of Object.entries(traits)) {
    const problem = traitProblem(name, trait);
    if (problem !== undefined) return { problem };
  }
  return { row: id === undefined ? { line, identifier, traits } : { line, identifier, id, traits } };
}

function parse(text: string): TraitValue | undefined {
  try {
    return parseTrait(text);
  } catch {
    return undefined;
  }
}

/** `id` beside `traits` is what an export has written. */
function traitsOf(members: Members, { identifierColumn, idColumn }: MemberChoice): Members | undefined {
  const { traits } = members;
  const others = Object.entries(members).filter(([name]) => name !== identifierColumn && name !== idColumn);
  if (!isMembers(traits)) return Object.fromEntries(others);
  return others.every(([name]) => name === 'traits' || name === 'id') ? traits : undefined;
}

function identifierOf(value: TraitValue | undefined): string | undefined {
  if (typeof value === 'bigint') return value.toString();
  return typeof value === 'string' ? value : undefined;
}

function isMembers(value: TraitValue | undefined): value is Members {
  return typeof value === 'object' && value !== null && !isList(value);
}
