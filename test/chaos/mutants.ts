import type { Mutation } from './compiled-service.js';
import type { Fault } from './schedule.js';

/** The service with one of its promises taken out, and the fault that is to show it. */
export interface Mutant {
  /** Ends the sentence 'notices that …'. */
  readonly name: string;
  /** Tried with every run of the tests. */
  readonly isQuick: boolean;
  readonly mutations: readonly Mutation[];
  readonly fault: Fault;
  /** Of what the harness has to say. */
  readonly symptom: RegExp;
}

const APPLY = 'src/indexing/kafka/apply-slice.ts';
const FENCE = 'if (!(await advancePartition(tx, step)))';
const AFTER_TRANSACTION = 'return letters;\n}\n/** What is of';
const DEAD_LETTERS = 'await insertDeadLetters(tx, letters);';

export const MUTANTS: readonly Mutant[] = [
  {
    name: 'an owner whose partition went to another applies what it still has in hand (the fence taken out)',
    isQuick: true,
    mutations: [{ file: APPLY, text: FENCE, replacement: 'if ((await advancePartition(tx, step)) === undefined)' }],
    fault: 'act as a zombie',
    symptom: /should be/,
  },
  {
    name: 'an offset is set whatever it was before (the fence taken out of the statement)',
    isQuick: false,
    mutations: [{ file: 'src/storage/kafka-offsets.ts', text: ' and next_offset = ${expected}', replacement: '' }],
    fault: 'act as a zombie',
    symptom: /should be|went back|an offset moved/,
  },
  {
    name: 'the offset is written after the transaction',
    isQuick: true,
    mutations: [
      { file: APPLY, text: FENCE, replacement: 'if (false)' },
      {
        file: APPLY,
        text: AFTER_TRANSACTION,
        replacement: `await advancePartition(writer.database.sql, step); ${AFTER_TRANSACTION}`,
      },
    ],
    fault: 'kill before the commit',
    symptom: /should be/,
  },
  {
    name: 'the offset is written before the transaction has committed',
    isQuick: true,
    mutations: [{ file: APPLY, text: FENCE, replacement: FENCE.replace('tx', 'writer.database.sql') }],
    fault: 'kill before the commit',
    symptom: /should be/,
  },
  {
    name: 'messages that cannot be applied are passed over and not kept',
    isQuick: true,
    mutations: [{ file: APPLY, text: DEAD_LETTERS, replacement: '' }],
    fault: 'cut all connections of a service',
    symptom: /is not among the dead letters/,
  },
  {
    name: 'dead letters are written outside of the transaction',
    isQuick: false,
    mutations: [
      { file: APPLY, text: 'writeSkipped(tx, work,', replacement: 'writeSkipped(writer.database.sql, work,' },
    ],
    fault: 'kill before the commit',
    symptom: /is a dead letter .* and should not be/,
  },
  {
    name: 'an identity of which a message was skipped is not quarantined',
    isQuick: false,
    mutations: [{ file: APPLY, text: 'await quarantine(tx, ', replacement: 'void (0, ' }],
    fault: 'cut all connections of a service',
    symptom: /is not quarantined/,
  },
];
