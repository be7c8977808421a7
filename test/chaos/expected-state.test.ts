import { describe, expect, it } from 'vitest';
import { ExpectedState } from './expected-state.js';
import { history } from './history.js';
import { INTENT_HEADER, type Intent } from './intent.js';
import { createRandom } from './random.js';

/** The state after messages of one partition that mean this. */
function stateAfter(...meant: readonly Intent[]): ExpectedState {
  const state = new ExpectedState();
  for (const [offset, intent] of meant.entries()) state.add({ partition: 0, offset, key: null, value: null, intent });
  return state;
}

const anna = { environment: 'alpha', identifier: 'anna' } as const;
const given = { environment: 'beta', identifier: 'anna' } as const;

describe('What the oracle expects', () => {
  it('is what the offsets say: a full state replaces, a partial one adds and removes, a deletion ends', () => {
    const messages: Intent[] = [
      { kind: 'upsert', ...anna, traits: { plan: '"pro"', age: '1' } },
      { kind: 'set_traits', ...anna, traits: { age: null, country: '"NO"' } },
    ];
    const traits = stateAfter(...messages)
      .identities.get('alpha')
      ?.get('anna')?.traits;
    expect([...(traits ?? [])]).toEqual([
      ['plan', '"pro"'],
      ['country', '"NO"'],
    ]);
    expect(stateAfter(...messages, { kind: 'delete', ...anna }).identities.get('alpha')?.size).toBe(0);
  });

  it('refuses what creates an identity without an id where ids are given, and an id where they are not', () => {
    const refused = stateAfter(
      { kind: 'upsert', ...given, traits: {} },
      { kind: 'upsert', ...given, id: 5, traits: {} },
      { kind: 'set_traits', ...given, traits: {} },
      { kind: 'delete', ...given },
      { kind: 'set_traits', ...given, traits: {} },
      { kind: 'upsert', ...anna, id: 5, traits: {} },
    ).letters;
    expect([...refused].map(([place, { reasons }]) => `${place} ${reasons.join()}`)).toEqual([
      '0:0 IDENTITY_ID_REQUIRED',
      '0:4 IDENTITY_ID_REQUIRED',
      '0:5 IDENTITY_ID_NOT_ALLOWED',
    ]);
  });

  it('has an identity in quarantine from a skipped message to the next whole state', () => {
    const skipped: Intent = { kind: 'garbage', identity: anna };
    const part: Intent = { kind: 'set_traits', ...anna, traits: {} };
    expect([...(stateAfter(skipped, part).quarantined.get('alpha') ?? [])]).toEqual(['anna']);
    expect(stateAfter(skipped, part, { kind: 'delete', ...anna }).quarantined.get('alpha')?.size).toBe(0);
  });

  it('follows from the seed alone', () => {
    const meant = (seed: number): unknown[] => {
      const messages = history(createRandom(seed, 0));
      return Array.from({ length: 500 }, () => messages.next().value.headers[INTENT_HEADER]);
    };
    expect(meant(1)).toEqual(meant(1));
    expect(meant(1)).not.toEqual(meant(2));
  });
});
