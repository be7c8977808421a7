import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { HeldRevisions } from '../../src/server/held-revisions.js';
import type { Environment } from '../../src/storage/environments.js';
import { createFixture, type Fixture } from '../helpers/fixture.js';

let fixture: Fixture;
let environment: Environment;
beforeAll(async () => {
  fixture = await createFixture();
  environment = await fixture.environment();
});
afterAll(() => fixture.drop());

async function lowestHeld(): Promise<number | undefined> {
  const [row] = await fixture.database.sql<{ revision: number }[]>`
    select revision from held_revision where environment_id = ${environment.id}`;
  return row?.revision;
}

it('holds a revision for a stream that begins while a renewal gives it up for another', async () => {
  const errors: unknown[] = [];
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
  const held = new HeldRevisions(fixture.database, (error) => errors.push(error));
  held.run();
  const releaseFirst = await held.hold(environment.id, 5);
  const releaseSecond = await held.hold(environment.id, 9);
  expect(await lowestHeld()).toBe(5);
  releaseFirst();
  vi.advanceTimersToNextTimer();
  await Promise.resolve();
  const releaseThird = await held.hold(environment.id, 5);
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect(await lowestHeld()).toBe(5);
  releaseSecond();
  releaseThird();
  await expect.poll(lowestHeld, { timeout: 10_000 }).toBe(undefined);
  await held.stop();
  vi.useRealTimers();
  expect(errors).toEqual([]);
});
