import type { ChangeInit } from '../import/apply-rows.js';
import { traitMessages } from '../trait-messages.js';
import type { Person } from './population.js';

/** Changes that arrive together. */
export interface LiveChanges {
  readonly name: string;
  readonly changes: readonly ChangeInit[];
}

/** Three waves of changes to the given people, in order. */
export function* liveChanges(environment: string, people: Iterable<Person>): Generator<LiveChanges> {
  const [upgrading, moving, leaving] = inThree([...people]);
  const change = (identifier: string) => ({ environmentKey: environment, identifier });
  const set = (traits: Person['traits']) => ({ change: { case: 'setTraits', value: { traits: traitMessages(traits) } } }) as const;
  yield { name: 'upgraded to pro', changes: upgrading.map(({ identifier }) => ({ ...change(identifier), ...set({ plan: 'pro' }) })) };
  yield { name: 'turned 20, or moved', changes: moving.map(({ identifier }) => ({ ...change(identifier), ...set({ age: 20n, country: 'NG' }) })) };
  yield { name: 'left for good', changes: leaving.map(({ identifier }) => ({ ...change(identifier), change: { case: 'delete', value: {} } })) };
}

function inThree(people: readonly Person[]): readonly [readonly Person[], readonly Person[], readonly Person[]] {
  const third = Math.ceil(people.length / 3);
  return [people.slice(0, third), people.slice(third, 2 * third), people.slice(2 * third)];
}
