import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { countMembers } from '../../src/query/select.js';
import type { Environment } from '../../src/storage/environments.js';
import {
  applyTo,
  buildAll,
  createApplier,
  createFixture,
  createIndex,
  type Fixture,
  putSegment,
  setTraits,
  upsert,
} from '../helpers/fixture.js';
import { readRuleCases } from './rule-cases.js';

const cases = readRuleCases();
let fixture: Fixture;
let environment: Environment;
beforeAll(async () => {
  fixture = await createFixture();
  environment = await fixture.environment({ key: 'E', name: 'E' });
  for (const [number, { definition }] of cases.entries())
    await putSegment(fixture.database, environment, `case-${number}`, definition);
});
afterAll(() => fixture.drop());

async function counts(): Promise<number[]> {
  const index = createIndex(fixture.database, environment);
  const all: number[] = [];
  for (const number of cases.keys())
    all.push(
      (
        await countMembers(
          fixture.database,
          index,
          { kind: 'segment', key: `case-${number}` },
          { level: 'minimize_latency' },
        )
      ).count,
    );
  return all;
}

describe('the rule trees of the reference engine, the whole way', () => {
  it('have the same members in atoms that were built from what was stored, and in atoms that followed the changes', async () => {
    const traits = Object.fromEntries(cases[0]?.identity.traits ?? []);
    const expected = cases.map(({ expected: isMember }) => Number(isMember));
    const applier = createApplier(fixture.database);
    await applyTo(applier, environment, upsert('i', traits));
    await buildAll(fixture.database, environment);
    expect(await counts()).toEqual(expected);
    await applyTo(
      applier,
      environment,
      setTraits('i', Object.fromEntries(Object.keys(traits).map((key) => [key, null]))),
    );
    await applyTo(applier, environment, upsert('i', traits));
    expect(await counts()).toEqual(expected);
  });
});
