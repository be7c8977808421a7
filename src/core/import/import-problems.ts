import { checkSegment, type CompileContext } from '../compile.js';
import { RollcallError } from '../errors.js';
import { conditionsOf, isReference, referencesOf, type SegmentDefinition } from '../segments.js';

type Definitions = ReadonlyMap<string, SegmentDefinition>;

/**
 * Why segments of a document cannot be written as they are, by key. `wanted` are those that could be read, `all` these and the others of the project. A segment is looked at by itself
 * first, then for cycles, then with the others put in; one whose conditions name a segment that has a problem has one itself.
 */
export function findProblems(wanted: Definitions, all: Definitions, known: ReadonlyMap<string, RollcallError>) {
  const problems = new Map(known);
  for (const [key, definition] of wanted) {
    const problem = problemOf(key, definition, aloneContext(all)) ?? cycleOf(key, all);
    if (problem !== undefined) problems.set(key, problem);
  }
  while (addDependents(wanted, all, problems));
  return problems;
}

/** Whether there were more. */
function addDependents(wanted: Definitions, all: Definitions, problems: Map<string, RollcallError>): boolean {
  const before = problems.size;
  const context = contextOf((key) => (problems.has(key) ? NOTHING : all.get(key)));
  for (const [key, definition] of wanted) {
    if (problems.has(key)) continue;
    const problem = brokenReferenceOf(definition, problems) ?? problemOf(key, definition, context);
    if (problem !== undefined) problems.set(key, problem);
  }
  return problems.size > before;
}

/** What every segment can be checked with whatever the others are: they exist. */
function aloneContext(all: Definitions): CompileContext {
  return contextOf((key) => (all.has(key) ? NOTHING : undefined));
}

const NOTHING: SegmentDefinition = { dialect: 'flagsmith', enabled: true, parent: '', rules: [] };

function contextOf(definitionOf: CompileContext['definitionOf']): CompileContext {
  return { environment: { key: '', name: '', identityKeyMode: 'composite' }, definitionOf };
}

function problemOf(key: string, definition: SegmentDefinition, context: CompileContext): RollcallError | undefined {
  try {
    checkSegment(key, definition, context);
    return undefined;
  } catch (error) {
    if (error instanceof RollcallError) return error;
    throw error;
  }
}

/** A parent that is disabled leaves a segment without members, as it should; a condition would be answered wrongly. */
function brokenReferenceOf(
  definition: SegmentDefinition,
  problems: ReadonlyMap<string, RollcallError>,
): RollcallError | undefined {
  for (const { operator, value } of conditionsOf(definition.rules)) {
    const problem = isReference(operator) ? problems.get(value) : undefined;
    if (problem !== undefined)
      return new RollcallError(
        'INVALID_SEGMENT',
        `the segment '${value}' that is referred to is disabled: ${problem.message}`,
      );
  }
  return undefined;
}

/** The way from a segment back to itself. */
function cycleOf(key: string, all: Definitions): RollcallError | undefined {
  const cameFrom = new Map<string, string>();
  const waiting = [key];
  for (let at = waiting.pop(); at !== undefined; at = waiting.pop()) {
    const definition = all.get(at);
    if (definition === undefined || definition.disabledReason !== undefined) continue;
    for (const next of referencesOf(definition)) {
      if (next === key) return cycleError([...chainTo(at, cameFrom), key]);
      if (cameFrom.has(next)) continue;
      cameFrom.set(next, at);
      waiting.push(next);
    }
  }
  return undefined;
}

/** From the start to `key`. */
function chainTo(key: string, cameFrom: ReadonlyMap<string, string>): string[] {
  const chain = [key];
  for (let before = cameFrom.get(key); before !== undefined; before = cameFrom.get(before)) chain.push(before);
  return chain.reverse();
}

function cycleError(chain: readonly string[]): RollcallError {
  const text = chain.join(' -> ');
  return new RollcallError('SEGMENT_CYCLE', `segments refer to each other in a circle: ${text}`, {
    metadata: { chain: text },
  });
}
