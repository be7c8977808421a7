import { CommandError } from '../command-error.js';

export type BadRowPolicy = 'stop' | 'skip';

/** What to do with rows that cannot be used, and what was found. */
export interface BadRows {
  /** Throws BAD_INPUT with the line under the policy `stop`; else counts the row, which is left out. */
  reject(line: number, problem: string): void;
  readonly count: number;
  /** The first of them, as `line 12: …`. */
  readonly examples: readonly string[];
}

const MAX_EXAMPLES = 10;

export function createBadRows(policy: BadRowPolicy): BadRows {
  const examples: string[] = [];
  let count = 0;
  return {
    reject: (line, problem) => {
      const said = `line ${line}: ${problem}`;
      if (policy === 'stop') throw new CommandError('BAD_INPUT', said, { metadata: { line: String(line) } });
      count += 1;
      if (examples.length < MAX_EXAMPLES) examples.push(said);
    },
    get count() {
      return count;
    },
    examples,
  };
}
