import { expect, test } from 'vitest';
import { createLogger } from '../../src/server/logger.js';

function captured() {
  const lines: string[] = [];
  const logger = createLogger({ logLevel: 'info' }, { write: (line) => lines.push(line) });
  return { lines, logger };
}

test('a line is JSON with its level by name and its time', () => {
  const { lines, logger } = captured();
  logger.info({ environment: 'default' }, 'folded');
  logger.debug('not written');
  expect(lines).toHaveLength(1);
  expect(JSON.parse(lines[0] ?? '')).toMatchObject({ level: 'info', environment: 'default', msg: 'folded' });
});

test('no password reaches the log, wherever it stands', () => {
  const { lines, logger } = captured();
  const url = 'postgres://rollcall:hunter2@db.internal:5432/rollcall?sslmode=require';
  logger.info({ databaseUrl: url, nested: { list: [url] } }, `connected to ${url}`);
  logger.error(new Error(`cannot reach ${url}`, { cause: new Error('postgres://db/x?user=a&password=hunter2') }));
  logger.warn({ password: 'hunter2', headers: { authorization: 'Bearer hunter2' } }, 'refused');
  expect(lines).toHaveLength(3);
  expect(lines.join('')).not.toContain('hunter2');
  expect(lines[0]).toContain('postgres://rollcall:[redacted]@db.internal:5432/rollcall?sslmode=require');
});

test('an address without a password stays as it is', () => {
  const { lines, logger } = captured();
  logger.info('listening on http://127.0.0.1:8080/readyz for a@b');
  expect(lines[0]).toContain('listening on http://127.0.0.1:8080/readyz for a@b');
});
