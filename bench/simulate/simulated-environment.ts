import { UNIVERSE_ATOM_ID } from '../../src/core/flips.js';
import type { Condition, SegmentDefinition } from '../../src/core/segments.js';
import { createEnvironment } from '../../src/indexing/catalog-writer.js';
import { createSegment } from '../../src/indexing/segment-writer.js';
import { readAtoms } from '../../src/storage/atoms.js';
import type { Database } from '../../src/storage/database.js';
import type { Environment } from '../../src/storage/environments.js';
import { condition } from '../world/conditions.js';

/** An environment without identities, with segments whose atoms' chunks are to be generated; the ids of the atoms of `conditions`. */
export async function createSimulated(
  database: Database,
  key: string,
  conditions: readonly Condition[],
  segments: Readonly<Record<string, readonly Condition[]>>,
): Promise<{ environment: Environment; atomIds: readonly number[] }> {
  const environment = await createEnvironment(
    database,
    {
      key,
      name: key,
      project: key,
      organisation: key,
      ordinalMode: 'given',
      identityKeyMode: 'composite',
    },
    'bench',
  );
  for (const [type, own] of Object.entries(segments))
    await createSegment(
      database,
      {
        project: key,
        key: type,
        name: type,
        description: '',
        definition: segment(type, own),
      },
      'bench',
    );
  const atoms = new Map(
    (await readAtoms(database.sql, environment.id)).map(({ id, definition }) => [definition.property, id]),
  );
  return { environment, atomIds: conditions.map(({ property }) => atoms.get(property) ?? UNIVERSE_ATOM_ID) };
}

/** Conditions each of an atom of its own. */
export function simulatedConditions(count: number): Condition[] {
  return Array.from({ length: count }, (_, place) => condition(`trait_${place}`, 'EQUAL', 'yes'));
}

function segment(type: string, conditions: readonly Condition[]): SegmentDefinition {
  const rule = type === 'ANY' || type === 'NONE' ? type : 'ALL';
  return { dialect: 'flagsmith', enabled: true, parent: '', rules: [{ type: rule, conditions, rules: [] }] };
}
