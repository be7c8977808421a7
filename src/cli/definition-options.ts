import { readFile } from 'node:fs/promises';
import { text } from 'node:stream/consumers';
import { CommandError, fileError } from './command-error.js';
import type { SegmentDefinition } from './segment-definition.js';
import { definitionWhere, parseDefinition } from './segment-definition.js';

/** The three ways to write a definition on the command line. */
export interface DefinitionOptions {
  readonly where?: readonly string[];
  readonly rules?: string;
  readonly file?: string;
}

/** The definition that the options give, undefined where they give none. Throws USAGE where they give more than one. */
export async function readDefinition(options: DefinitionOptions): Promise<SegmentDefinition | undefined> {
  const given = [options.where, options.rules, options.file].filter((option) => option !== undefined);
  if (given.length > 1) throw new CommandError('USAGE', '--where, --rules and --file exclude each other');
  if (options.where !== undefined) return definitionWhere(options.where);
  if (options.rules !== undefined) return parseDefinition(options.rules, '--rules');
  if (options.file !== undefined) return parseDefinition(await readText(options.file), options.file);
  return undefined;
}

async function readText(path: string): Promise<string> {
  try {
    return path === '-' ? await text(process.stdin) : await readFile(path, 'utf8');
  } catch (error) {
    throw fileError(path, error);
  }
}
