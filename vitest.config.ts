import { defineConfig } from 'vitest/config';

const shared = { testTimeout: 60_000, hookTimeout: 120_000, teardownTimeout: 60_000 };

/** `.test.ts` needs nothing; `.pg.test.ts` Postgres; `.kafka.test.ts` Postgres and a Kafka broker. Each is started only when such a test is to run. */
export default defineConfig({
  test: {
    maxWorkers: 2,
    projects: [
      {
        test: {
          ...shared,
          name: 'plain',
          include: ['test/**/*.test.ts'],
          exclude: ['test/**/*.{pg,kafka}.test.ts'],
        },
      },
      {
        test: {
          ...shared,
          name: 'postgres',
          include: ['test/**/*.pg.test.ts'],
          globalSetup: 'test/helpers/postgres-server.ts',
        },
      },
      {
        test: {
          ...shared,
          name: 'kafka',
          include: ['test/**/*.kafka.test.ts'],
          globalSetup: ['test/helpers/postgres-server.ts', 'test/helpers/kafka-broker.ts'],
          runner: './test/helpers/kafka-runner.ts',
        },
      },
    ],
  },
});
