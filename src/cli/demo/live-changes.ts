import type { OutgoingChange } from '../import/encode-change.js';
import type { Person } from './population.js';

/** Changes that arrive together. */
export interface LiveChanges {
  readonly name: string;
  readonly changes: readonly OutgoingChange[];
}

/** Three waves of changes to the given people, in order. */
export function* liveChanges(environment: string, people: Iterable<Person>): Generator<LiveChanges> {
  const [upgrading, moving, leaving] = inThree([...people]);
  const set =
    (traits: Person['traits']) =>
    ({ identifier }: Person) => ({ environment, identifier, kind: 'set_traits' as const, traits });
  const remove = ({ identifier }: Person) => ({ environment, identifier, kind: 'delete' as const, traits: {} });
  yield { name: 'people upgrade to pro', changes: upgrading.map(set({ plan: 'pro' })) };
  yield { name: 'people turn 20 and move', changes: moving.map(set({ age: 20n, country: 'NG' })) };
  yield { name: 'people leave for good', changes: leaving.map(remove) };
}

function inThree(people: readonly Person[]): readonly [readonly Person[], readonly Person[], readonly Person[]] {
  const third = Math.ceil(people.length / 3);
  return [people.slice(0, third), people.slice(third, 2 * third), people.slice(2 * third)];
}
