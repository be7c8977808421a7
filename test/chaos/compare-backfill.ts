import { isBackfilled } from './backfill-identities.js';
import type { BackfillWriter } from './backfill-writer.js';
import type { EnvironmentSnapshot } from './snapshot.js';

/** Which of the identities that only ApplyChanges writes are not as the last call that was acknowledged left them. */
export function compareBackfill(
  { environment: { key }, rows }: EnvironmentSnapshot,
  backfill: BackfillWriter,
): string[] {
  const stored = new Map(
    rows.filter(({ identifier }) => isBackfilled(identifier)).map(({ identifier, traits }) => [identifier, traits]),
  );
  const problems: string[] = [];
  for (const [identifier, traits] of backfill.expected(key)) {
    const is = textOf(stored.get(identifier));
    const shouldBe = textOf(traits);
    if (is !== shouldBe) problems.push(`${key}: '${identifier}' is ${is} and should be ${shouldBe}`);
  }
  return problems;
}

function textOf(traits: ReadonlyMap<string, string> | undefined): string {
  return traits === undefined ? 'nothing' : JSON.stringify([...traits].sort(([a], [b]) => (a < b ? -1 : 1)));
}
