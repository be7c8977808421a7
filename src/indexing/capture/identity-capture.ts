import { joinTraits, splitTraits } from '../../core/trait-text.js';
import type { IdentityCapture } from '../../storage/captures.js';
import type { KeyedChange } from '../decode.js';
import type { CapturedIdentity } from './captured-row.js';

type Traits = Map<string, string>;

/** An identity of the source as the rows up to now leave it. */
export interface CapturedState {
  readonly id: number;
  readonly environmentKey: string;
  readonly identifier: string;
  readonly systemTraits: ReadonlyMap<string, string>;
  /** Traits that a system trait of the same name hides. */
  readonly hiddenTraits: Traits;
  /** What the index has or will have of it; undefined where no row asks. */
  readonly visibleTraits: Traits | undefined;
}

/** What rows come to. */
export interface Captured {
  readonly state: CapturedState;
  readonly changes: readonly KeyedChange[];
}

/** `traits` is what the index has of the identity, where that is asked. */
export function readState(capture: IdentityCapture, traits: string | undefined): CapturedState {
  return {
    id: capture.id,
    environmentKey: capture.environmentKey,
    identifier: capture.identifier,
    systemTraits: splitTraits(capture.systemTraits),
    hiddenTraits: splitTraits(capture.hiddenTraits),
    visibleTraits: traits === undefined ? undefined : splitTraits(traits),
  };
}

export function captureOf({ id, environmentKey, identifier, ...state }: CapturedState): IdentityCapture {
  const systemTraits = joinTraits(state.systemTraits);
  return { id, environmentKey, identifier, systemTraits, hiddenTraits: joinTraits(state.hiddenTraits) };
}

/** The identity's row says that it is there, and how it is named; its traits are rows of their own, so they stay. */
export function putIdentity(
  state: CapturedState | undefined,
  environmentKey: string,
  { id, identifier, systemTraits }: CapturedIdentity,
): Captured {
  const plain = state === undefined ? new Map<string, string>() : plainTraits(state);
  const hiddenTraits = new Map([...plain].filter(([key]) => systemTraits.has(key)));
  const all = new Map([...plain, ...systemTraits]);
  const visibleTraits = new Map([...all].filter(([, text]) => text !== 'null'));
  const next = { id, environmentKey, identifier, systemTraits, hiddenTraits, visibleTraits };
  if (state === undefined || state.environmentKey === environmentKey) {
    const traits = differences(state?.visibleTraits ?? new Map<string, string>(), visibleTraits);
    return { state: next, changes: [changeOf(next, 'set_traits', traits)] };
  }
  return { state: next, changes: [removeIdentity(state), changeOf(next, 'upsert', visibleTraits)] };
}

/** A trait's row says what the trait is, or that it is not there. */
export function putTrait(state: CapturedState, key: string, text: string | null): readonly KeyedChange[] {
  if (state.systemTraits.has(key)) {
    set(state.hiddenTraits, key, text);
    return [];
  }
  if (state.visibleTraits !== undefined) set(state.visibleTraits, key, text);
  return [changeOf(state, 'set_traits', new Map([[key, text]]))];
}

export function removeIdentity(state: CapturedState): KeyedChange {
  return changeOf(state, 'delete', new Map());
}

/** The traits that have rows of their own. */
function plainTraits({ systemTraits, hiddenTraits, visibleTraits }: CapturedState): Traits {
  const shown = [...(visibleTraits ?? [])].filter(([key]) => !systemTraits.has(key));
  return new Map([...shown, ...hiddenTraits]);
}

function differences(before: ReadonlyMap<string, string>, after: ReadonlyMap<string, string>) {
  const traits = new Map<string, string | null>();
  for (const key of before.keys()) if (!after.has(key)) traits.set(key, null);
  for (const [key, text] of after) if (before.get(key) !== text) traits.set(key, text);
  return traits;
}

function set(traits: Traits, key: string, text: string | null): void {
  if (text === null) traits.delete(key);
  else traits.set(key, text);
}

function changeOf(
  { environmentKey, identifier, id }: Pick<CapturedState, 'environmentKey' | 'identifier' | 'id'>,
  kind: 'upsert' | 'set_traits' | 'delete',
  traits: ReadonlyMap<string, string | null>,
): KeyedChange {
  return { environmentKey, change: { kind, identifier, identityId: id, traits } };
}
