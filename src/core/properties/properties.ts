import { firstNode, follow, type JsonPath, parseJsonPath, type Step } from './json-path.js';
import type { AtomDefinition, AtomSettings } from '../atoms.js';
import type { EnvironmentSettings } from '../environment-settings.js';
import { conditionValue } from '../python/python-text.js';
import { compareKeys, formatTrait, parseTrait } from '../trait-text.js';
import { readConditionValue } from './trait-value.js';
import type { Dialect } from '../segments.js';
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
    }
  /** As a trait or a path, but the value is its JSON text, so that a text is not a number. */
  | { readonly kind: 'trait-json'; readonly key: string }
  | { readonly kind: 'path-json'; readonly literal: string; readonly of: PathProperty };

type PathProperty = Extract<
  Property,
  { readonly kind: 'identity-key' | 'identifier' | 'trait-path' | 'constant' | 'query' }
>;

/**
 * What a condition's property text means: a path where it starts with `$.` and is one, else a trait's name; for PERCENTAGE_SPLIT, the
 * identity's key where it is blank. In other dialects than Flagsmith's its value is JSON text. Throws INVALID_SEGMENT for a path that may not be evaluated.
 */
export function parseProperty(
  text: string,
  environment: EnvironmentView,
  operator: AtomDefinition['operator'],
  dialect: Dialect = 'flagsmith',
): Property {
  if (text === '' && operator === 'PERCENTAGE_SPLIT') return { kind: 'identity-key-text' };
  const path = text.startsWith('$.') ? parseJsonPath(text) : undefined;
  if (dialect === 'flagsmith')
    return path === undefined ? { kind: 'trait', key: text } : parsePath(text, path, environment, scalarOf);
  if (path === undefined) return { kind: 'trait-json', key: text };
  return { kind: 'path-json', literal: text, of: parsePath(text, path, environment, scalarTextOf) };
}

function parsePath(text: string, path: JsonPath, environment: EnvironmentView, read: ReadNode): PathProperty {
  if (path.onlyWithin === 'environment')
    return constant(text, read(firstNode(path, { environment: { key: environment.key, name: environment.name } })));
  if (path.steps === undefined) return { kind: 'query', literal: text, path, environment };
  return readSteps(text, path.steps);
}

function readSteps(literal: string, [root, member, trait, ...steps]: readonly Step[]): PathProperty {
  const isWhole = trait === undefined;
  if (root !== 'identity') return constant(literal, undefined);
  if (member === 'identifier' && isWhole) return { kind: 'identifier', literal };
  if (member === 'key' && isWhole) return { kind: 'identity-key', literal };
  if (member === 'traits' && typeof trait === 'string') return { kind: 'trait-path', literal, key: trait, steps };
  return constant(literal, undefined);
}

function constant(literal: string, value: ConditionValue | undefined): PathProperty {
  return { kind: 'constant', literal, value };
}

/** What an atom of an environment looks at; its own settings take the place of the environment's. */
export function propertyOf(
  atom: Pick<AtomDefinition, 'dialect' | 'kind' | 'property' | 'operator' | 'settings'>,
  environment: EnvironmentView,
): Property {
  if (atom.kind === 'path')
    return parseProperty(atom.property, { ...environment, ...atom.settings }, atom.operator, atom.dialect);
  return { kind: atom.dialect === 'flagsmith' ? 'trait' : 'trait-json', key: atom.property };
}

/** The value that a property has for every identity (undefined = missing) without a trait named as `literal`; undefined where it depends on the identity. */
export function constantOf(property: Property): { readonly value: ConditionValue | undefined } | undefined {
  const of = property.kind === 'path-json' ? property.of : property;
  return of.kind === 'constant' ? of : undefined;
}

/** The settings of an environment that a property's value may depend on; undefined where on none. */
export function settingsSeenBy(
  property: Property,
  { name, identityKeyMode }: EnvironmentSettings,
): AtomSettings | undefined {
  switch (property.kind) {
    case 'identity-key':
    case 'identity-key-text':
      return { identityKeyMode };
    case 'query':
      return { identityKeyMode, name };
    case 'path-json':
      return settingsSeenBy(property.of, { name, identityKeyMode });
    default:
      return undefined;
  }
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
    case 'trait-json':
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
    case 'path-json':
      return dependenciesOf(property.of);
  }
}

/** The value a condition sees of an identity's property; undefined = missing. */
export function resolveProperty(property: Property, identity: IdentityView): ConditionValue | undefined {
  switch (property.kind) {
    case 'trait':
      return traitOf(property.key, identity);
    case 'identity-key-text':
      return identity.key;
    case 'trait-json':
      return traitTextOf(property.key, identity);
    case 'path-json':
      return traitTextOf(property.literal, identity) ?? resolvePath(property.of, identity, scalarTextOf);
    default:
      return traitOf(property.literal, identity) ?? resolvePath(property, identity, scalarOf);
  }
}

function traitTextOf(key: string, identity: IdentityView): string | undefined {
  const text = identity.traits.get(key);
  return text === 'null' ? undefined : text;
}

function traitOf(key: string, identity: IdentityView): ConditionValue | undefined {
  const text = identity.traits.get(key);
  return text === undefined ? undefined : readConditionValue(text);
}

function resolvePath(property: PathProperty, identity: IdentityView, read: ReadNode): ConditionValue | undefined {
  switch (property.kind) {
    case 'identifier':
      return read(identity.identifier);
    case 'identity-key':
      return read(identity.key);
    case 'constant':
      return property.value;
    case 'trait-path': {
      const text = identity.traits.get(property.key);
      return text === undefined ? undefined : read(follow(property.steps, parseTrait(text)));
    }
    case 'query':
      return read(firstNode(property.path, documentOf(identity, property.environment)));
  }
}

/** What a condition sees of the node that a path leads to; undefined = missing. */
type ReadNode = (node: TraitValue | undefined) => ConditionValue | undefined;

/** The JSON text of a node: a path's answer counts only where it is a scalar. */
function scalarTextOf(node: TraitValue | undefined): string | undefined {
  return node === undefined || typeof node === 'object' ? undefined : formatTrait(node);
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
