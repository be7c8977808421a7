import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { createEmptyDatabase } from '../helpers/postgres.js';
import { type CompiledService, compileService } from './compiled-service.js';
import { MUTANTS } from './mutants.js';
import { problemsOf } from './run-mutant.js';

let service: CompiledService;
beforeAll(async () => {
  service = await compileService();
});
afterAll(() => service.remove());

/** Those that are about the service's main promises; `npm run chaos -- --mutants` tries all. */
const QUICK = MUTANTS.filter(({ isQuick }) => isQuick);

describe('The harness', () => {
  it.each(QUICK)('notices that $name', { timeout: 180_000 }, async (mutant) => {
    const database = await createEmptyDatabase();
    try {
      const broker = { brokers: inject('kafkaBrokers'), faults: undefined };
      expect(await problemsOf(mutant, { service, broker, databaseUrl: database.url })).toMatch(mutant.symptom);
    } finally {
      await database.drop();
    }
  });

  it('refuses a mutation that does not fit the service any more', async () => {
    const mutation = { file: 'src/indexing/kafka/apply-slice.ts', text: 'what is not there', replacement: '' };
    await expect(service.mutate([mutation])).rejects.toThrow('0 times, not once');
  });

  it('has only mutations that fit the service', async () => {
    for (const { mutations } of MUTANTS) await (await service.mutate(mutations)).remove();
  });
});
