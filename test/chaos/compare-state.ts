import { isBackfilled } from './backfill-identities.js';
import type { ExpectedIdentity, ExpectedState } from './expected-state.js';
import type { EnvironmentSnapshot, Snapshot, StoredLetter } from './snapshot.js';

/** Which messages were about an identity, for reports. */
export type Explain = (environment: string, identifier: string) => string;

/** Most problems of one kind that a report lists. */
const LISTED = 8;

/**
 * What differs between a snapshot and what is to be stored after the very offsets that the snapshot holds: nothing is lost and nothing is there too early, at any moment (I2). Identities that do
 * not come through the topic are left to others.
 */
export function compareState(snapshot: Snapshot, expected: ExpectedState, explain: Explain): string[] {
  const problems = snapshot.environments.flatMap((environment) => [
    ...limited(compareIdentities(environment, expected, explain)),
    ...limited(compareQuarantine(environment, expected)),
    ...(environment.missingRevisions === 0
      ? []
      : [`${environment.environment.key}: ${environment.missingRevisions} revisions have no log row`]),
  ]);
  if (snapshot.futureWatermarks > 0) problems.push(`${snapshot.futureWatermarks} watermarks are later than now`);
  return [...problems, ...limited(compareLetters(snapshot.letters, expected))];
}

function limited(problems: readonly string[]): string[] {
  const more = problems.length - LISTED;
  return more > 0 ? [...problems.slice(0, LISTED), `… and ${more} more of this kind`] : [...problems];
}

function compareIdentities(
  { environment, rows }: EnvironmentSnapshot,
  expected: ExpectedState,
  explain: Explain,
): string[] {
  const { key } = environment;
  const wanted = expected.identities.get(key) ?? new Map<string, ExpectedIdentity>();
  const problems: string[] = [];
  const seen = new Set<string>();
  for (const row of rows) {
    if (isBackfilled(row.identifier)) continue;
    if (seen.has(row.identifier)) problems.push(`${key}: two identities are called ${row.identifier}`);
    seen.add(row.identifier);
    const identity = wanted.get(row.identifier);
    const is = describe({ ...row, id: identity?.id === undefined ? undefined : row.id });
    const shouldBe = identity === undefined ? 'nothing' : describe(identity);
    if (is !== shouldBe)
      problems.push(`${key}: '${row.identifier}' is ${is} and should be ${shouldBe}; ${explain(key, row.identifier)}`);
  }
  for (const [identifier, identity] of wanted) {
    if (seen.has(identifier)) continue;
    problems.push(
      `${key}: '${identifier}' is not there and should be ${describe(identity)}; ${explain(key, identifier)}`,
    );
  }
  return problems;
}

function describe({ id, traits }: Pick<ExpectedIdentity, 'id' | 'traits'>): string {
  const members = [...traits]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, text]) => `${JSON.stringify(key)}: ${text}`);
  return `${id === undefined ? '' : `${id} `}{${members.join(', ')}}`;
}

function compareQuarantine(
  { environment: { key }, quarantined }: EnvironmentSnapshot,
  expected: ExpectedState,
): string[] {
  const wanted = expected.quarantined.get(key) ?? new Set<string>();
  const held = new Set(quarantined);
  return [
    ...quarantined
      .filter((identifier) => !wanted.has(identifier))
      .map((identifier) => `${key}: '${identifier}' is quarantined for nothing`),
    ...[...wanted]
      .filter((identifier) => !held.has(identifier))
      .map((identifier) => `${key}: '${identifier}' is not quarantined`),
  ];
}

function compareLetters(letters: readonly StoredLetter[], expected: ExpectedState): string[] {
  const problems: string[] = [];
  const seen = new Set<string>();
  for (const { partition, offset, reason, key, value } of letters) {
    const place = `${partition}:${offset}`;
    if (seen.has(place)) problems.push(`${place} is twice among the dead letters`);
    seen.add(place);
    const wanted = expected.letters.get(place);
    if (wanted === undefined) problems.push(`${place} is a dead letter (${reason}) and should not be`);
    else if (!wanted.reasons.includes(reason))
      problems.push(`the dead letter ${place} has the reason ${reason}, not ${wanted.reasons.join(' or ')}`);
    else if (!isSame(key, wanted.message.key) || !isSame(value, wanted.message.value))
      problems.push(`the dead letter ${place} is not the message that came`);
  }
  for (const place of expected.letters.keys())
    if (!seen.has(place)) problems.push(`${place} is not among the dead letters`);
  return problems;
}

function isSame(a: Buffer | null, b: Buffer | null): boolean {
  return a === null || b === null ? a === b : a.equals(b);
}
