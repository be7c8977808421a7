import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { createEmptyDatabase } from '../helpers/postgres.js';
import { type CompiledService, compileService } from './compiled-service.js';
import { type Mutant, MUTANTS } from './mutants.js';
import { MUTANT_SEEDS, problemsOf } from './run-mutant.js';

let service: CompiledService;
beforeAll(async () => {
  service = await compileService();
});
afterAll(() => service.remove());

/** Those that are about the service's main promises; `npm run chaos -- --mutants` tries all. */
const QUICK = MUTANTS.filter(({ isQuick }) => isQuick);

async function tryOnce(mutant: Mutant, seed: number): Promise<string> {
  const database = await createEmptyDatabase();
  try {
    const broker = { brokers: inject('kafkaBrokers'), faults: undefined };
    return await problemsOf(mutant, { service, broker, databaseUrl: database.url, seed });
  } finally {
    await database.drop();
  }
}

describe('The harness', () => {
  it.each(QUICK)('notices that $name', { timeout: 300_000 }, async (mutant) => {
    let problems = '';
    for (const seed of MUTANT_SEEDS) {
      problems = await tryOnce(mutant, seed);
      if (mutant.symptom.test(problems)) break;
    }
    expect(problems).toMatch(mutant.symptom);
  });

  it('refuses a mutation that does not fit the service any more', async () => {
    const mutation = { file: 'src/indexing/kafka/apply-slice.ts', text: 'what is not there', replacement: '' };
    await expect(service.mutate([mutation])).rejects.toThrow('0 times, not once');
  });

  it('has only mutations that fit the service', async () => {
    for (const { mutations } of MUTANTS) await (await service.mutate(mutations)).remove();
  });
});
