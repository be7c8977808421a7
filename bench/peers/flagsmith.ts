import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type EnvironmentModel, Flagsmith, LocalFileHandler } from 'flagsmith-nodejs';
import type { Person } from '../../src/cli/demo/population.js';
import type { Rule } from '../../src/core/segments.js';
import type { CheckEnvironment } from '../world/check-environment.js';
import type { BenchSegment } from '../world/segments.js';

/** What of flagsmith-nodejs is timed: its engine, on a context that is made once, and the call that its users have. */
export interface FlagsmithPeer {
  /** Every segment and every feature, for one identity. The keys of its segments, in order. */
  evaluateAll(identity: FlagsmithIdentity): string[];
  /** Every segment alone. */
  evaluateSegments(identity: FlagsmithIdentity): string[];
  /** `getIdentitySegments` of the client in local evaluation, which makes the context anew each time. */
  getIdentitySegments(identity: FlagsmithIdentity): Promise<string[]>;
}

export interface FlagsmithIdentity {
  readonly identifier: string;
  readonly key: string;
  readonly traits: Record<string, string | number | boolean>;
}

/** The engine's context: of it only the identity differs from call to call. */
interface Context {
  readonly environment: { readonly key: string; readonly name: string };
  readonly identity?: FlagsmithIdentity;
}

interface EvaluatedSegment {
  readonly name: string;
}

interface Engine {
  getEvaluationResult(context: Context): { readonly segments: readonly EvaluatedSegment[] };
  evaluateSegments(context: Context): { readonly segments: readonly EvaluatedSegment[] };
}

interface Mappers {
  getEvaluationContext(environment: EnvironmentModel): Context;
}

/** flagsmith-nodejs with the environment as the document that its users download. `key` is the environment's key here. */
export async function openFlagsmith(environment: CheckEnvironment, key: string): Promise<FlagsmithPeer> {
  const offlineHandler: LocalFileHandler = await handlerOf(documentOf(environment, key));
  const client = new Flagsmith({
    environmentKey: 'ser.bench',
    enableLocalEvaluation: true,
    offlineMode: true,
    offlineHandler,
  });
  const engine = await importEngine('index.js');
  const mappers = await importEngine('evaluation/evaluationContext/mappers.js');
  if (!isEngine(engine) || !isMappers(mappers)) throw new Error('flagsmith-nodejs has another engine');
  const context = mappers.getEvaluationContext(offlineHandler.getEnvironment());
  return {
    evaluateAll: (identity) => namesOf(engine.getEvaluationResult({ ...context, identity }).segments),
    evaluateSegments: (identity) => namesOf(engine.evaluateSegments({ ...context, identity }).segments),
    getIdentitySegments: async ({ identifier, traits }) =>
      namesOf(await client.getIdentitySegments(identifier, traits)),
  };
}

/** The traits as JavaScript has them. */
export function flagsmithIdentity({ identifier, traits }: Person, environmentKey: string): FlagsmithIdentity {
  const plain: Record<string, string | number | boolean> = {};
  for (const [name, value] of Object.entries(traits)) {
    if (typeof value === 'bigint') plain[name] = Number(value);
    else if (typeof value !== 'object') plain[name] = value;
  }
  return { identifier, key: `${environmentKey}_${identifier}`, traits: plain };
}

function namesOf(segments: readonly EvaluatedSegment[]): string[] {
  return segments.map(({ name }) => name);
}

/** A module of the engine, which the package does not export: by the place of its files. */
async function importEngine(path: string): Promise<unknown> {
  const entry: string = import.meta.resolve('flagsmith-nodejs');
  return import(new URL(`./flagsmith-engine/${path}`, entry).href);
}

function isEngine(module: unknown): module is Engine {
  return (
    typeof module === 'object' && module !== null && 'getEvaluationResult' in module && 'evaluateSegments' in module
  );
}

function isMappers(module: unknown): module is Mappers {
  return typeof module === 'object' && module !== null && 'getEvaluationContext' in module;
}

async function handlerOf(document: unknown): Promise<LocalFileHandler> {
  const folder = await mkdtemp(join(tmpdir(), 'rollcall-bench-'));
  try {
    const path = join(folder, 'environment.json');
    await writeFile(path, JSON.stringify(document));
    return new LocalFileHandler(path);
  } finally {
    await rm(folder, { recursive: true });
  }
}

function documentOf({ segments, features }: CheckEnvironment, key: string): unknown {
  return {
    id: 1,
    api_key: key,
    name: key,
    feature_states: Array.from({ length: features }, (_, place) => featureState(place, place)),
    project: {
      id: 1,
      name: key,
      hide_disabled_flags: false,
      organisation: { id: 1, name: key, feature_analytics: false, stop_serving_flags: false, persist_trait_data: true },
      segments: segments.map((segment, place) => segmentDocument(segment, place, features)),
    },
  };
}

/** Each segment overrides three features. */
function segmentDocument({ key, definition }: BenchSegment, place: number, features: number): unknown {
  const overridden = [0, 1, 2].map((which) => (place * 17 + which * 5) % features);
  return {
    id: Number(key),
    name: key,
    rules: definition.rules.map(ruleDocument),
    feature_states: overridden.map((feature, which) => featureState(feature, features + place * 3 + which, place)),
  };
}

function ruleDocument({ type, conditions, rules }: Rule): unknown {
  return {
    type,
    conditions: conditions.map(({ property, operator, value }) => ({ property_: property, operator, value })),
    rules: rules.map(ruleDocument),
  };
}

function featureState(feature: number, id: number, priority?: number): unknown {
  return {
    django_id: id + 1,
    featurestate_uuid: `00000000-0000-0000-0000-${String(id + 1).padStart(12, '0')}`,
    enabled: feature % 2 === 0,
    feature_state_value: `value ${id}`,
    feature: { id: feature + 1, name: `feature_${feature}`, type: 'STANDARD' },
    feature_segment: priority === undefined ? null : { priority },
    multivariate_feature_state_values: [],
  };
}
