import { firstNode, follow, type JsonPath, parseJsonPath, type Step } from './json-path.js';
import type { AtomDefinition } from '../atoms.js';
import type { Operator } from '../conditions/operators.js';
import { conditionValue } from '../python/python-text.js';
import { compareKeys, parseTrait } from '../trait-text.js';
import type { ConditionValue, TraitValue } from '../values.js';

/** What conditions see of an identity. */
export interface IdentityView {
  /** The ordinal. */
  readonly id: number;
  readonly identifier: string;
  /** What `$.identity.key` is in this environment. */
  readonly key: string;
  /** Each trait's JSON text, as `splitTraits` gives it. */
  readonly traits: ReadonlyMap<string, string>;
}

export interface EnvironmentView {
  readonly key: string;
  readonly name: string;
}

/**
 * What a condition looks at. `literal` is the path's own text: a trait of that very name that is not null wins over what the
 * path leads to.
 */
export type Property =
  | { readonly kind: 'trait'; readonly key: string }
  /** `identity.key` as it is, never turned into a number. */
  | { readonly kind: 'identity-key-text' }
  | { readonly kind: 'identity-key'; readonly literal: string }
  | { readonly kind: 'identifier'; readonly literal: string }
  /** Within the trait `key`, what `steps` lead to. */
  | { readonly kind: 'trait-path'; readonly literal: string; readonly key: string; readonly steps: readonly Step[] }
  /** The same for every identity. */
  | { readonly kind: 'constant'; readonly literal: string; readonly value: ConditionValue | undefined }
  | {
      readonly kind: 'query';
      readonly literal: string;
      readonly path: JsonPath;
      readonly environment: EnvironmentView;
    };

/**
 * What a condition's property text means: a path where it starts with `$.` and is one, else a trait's name; for PERCENTAGE_SPLIT, the
 * identity's key where it is blank. Throws INVALID_SEGMENT for a path that may not be evaluated.
 */
export function parseProperty(text: string, environment: EnvironmentView, operator: Operator): Property {
  if (text === '' && operator === 'PERCENTAGE_SPLIT') return { kind: 'identity-key-text' };
  const path = text.startsWith('$.') ? parseJsonPath(text) : undefined;
  if (path === undefined) return { kind: 'trait', key: text };
  if (path.onlyWithin === 'environment')
    return constant(text, scalarOf(firstNode(path, { environment: { key: environment.key, name: environment.name } })));
  if (path.steps === undefined) return { kind: 'query', literal: text, path, environment };
  return readSteps(text, path.steps);
}

function readSteps(literal: string, [root, member, trait, ...steps]: readonly Step[]): Property {
  const isWhole = trait === undefined;
  if (root !== 'identity') return constant(literal, undefined);
  if (member === 'identifier' && isWhole) return { kind: 'identifier', literal };
  if (member === 'key' && isWhole) return { kind: 'identity-key', literal };
  if (member === 'traits' && typeof trait === 'string') return { kind: 'trait-path', literal, key: trait, steps };
  return constant(literal, undefined);
}

function constant(literal: string, value: ConditionValue | undefined): Property {
  return { kind: 'constant', literal, value };
}

/** What an atom of an environment looks at. */
export function propertyOf(
  atom: Pick<AtomDefinition, 'kind' | 'property' | 'operator'>,
  environment: EnvironmentView,
): Property {
  return atom.kind === 'trait'
    ? { kind: 'trait', key: atom.property }
    : parseProperty(atom.property, environment, atom.operator);
}

/** The value that a property has for every identity (undefined = missing) without a trait named as `literal`; undefined where it depends on the identity. */
export function constantOf(property: Property): { readonly value: ConditionValue | undefined } | undefined {
  return property.kind === 'constant' ? property : undefined;
}

/** What of an identity a property's value may change with. */
export interface Dependencies {
  readonly traitKeys: readonly string[];
  /** The identifier or `identity.key`. */
  readonly identifier: boolean;
  /** Anything at all. */
  readonly any: boolean;
}

export function dependenciesOf(property: Property): Dependencies {
  switch (property.kind) {
    case 'trait':
      return { traitKeys: [property.key], identifier: false, any: false };
    case 'identity-key-text':
      return { traitKeys: [], identifier: true, any: false };
    case 'identity-key':
    case 'identifier':
      return { traitKeys: [property.literal], identifier: true, any: false };
    case 'trait-path':
      return { traitKeys: [property.literal, property.key], identifier: false, any: false };
    case 'constant':
      // An identity that comes or goes has or loses the constant.
      return { traitKeys: [property.literal], identifier: true, any: false };
    case 'query':
      return { traitKeys: [], identifier: true, any: true };
  }
}

/** The value a condition sees of an identity's property; undefined = missing. */
export function resolveProperty(property: Property, identity: IdentityView): ConditionValue | undefined {
  if (property.kind === 'trait') return traitOf(property.key, identity);
  if (property.kind === 'identity-key-text') return identity.key;
  return traitOf(property.literal, identity) ?? resolvePath(property, identity);
}

function traitOf(key: string, identity: IdentityView): ConditionValue | undefined {
  const text = identity.traits.get(key);
  return text === undefined ? undefined : conditionValue(parseTrait(text));
}

type PathProperty = Extract<Property, { readonly literal: string }>;

function resolvePath(property: PathProperty, identity: IdentityView): ConditionValue | undefined {
  switch (property.kind) {
    case 'identifier':
      return scalarOf(identity.identifier);
    case 'identity-key':
      return scalarOf(identity.key);
    case 'constant':
      return property.value;
    case 'trait-path': {
      const text = identity.traits.get(property.key);
      return text === undefined ? undefined : scalarOf(follow(property.steps, parseTrait(text)));
    }
    case 'query':
      return scalarOf(firstNode(property.path, documentOf(identity, property.environment)));
  }
}

/** The value of a node: a path's answer counts only where it is a scalar. */
function scalarOf(node: TraitValue | undefined): ConditionValue | undefined {
  return node === undefined || typeof node === 'object' ? undefined : conditionValue(node);
}

/** What paths look at. Traits are in jsonb's order, so that "the first node" is the same for stored and for changed identities. */
function documentOf(
  { identifier, key, traits }: IdentityView,
  { key: environmentKey, name }: EnvironmentView,
): TraitValue {
  const entries = [...traits]
    .sort(([a], [b]) => compareKeys(a, b))
    .map(([trait, text]) => [trait, parseTrait(text)] as const);
  return {
    environment: { key: environmentKey, name },
    identity: { identifier, key, traits: Object.fromEntries(entries) },
  };
}
