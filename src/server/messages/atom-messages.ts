import type { MessageInitShape } from '@bufbuild/protobuf';
import type { AtomDefinition } from '../../core/atoms.js';
import { UNIVERSE_ATOM_ID } from '../../core/flips.js';
import { AtomState, type AtomStatusSchema } from '../../gen/rollcall/v1/index_service_pb.js';
import type { StoredAtom } from '../../storage/atoms.js';
import { builtShare } from '../reads/build-progress.js';

/** `highest` is the highest ordinal of its environment. */
export function atomStatus(
  atom: StoredAtom,
  cardinality: number,
  highest: number,
): MessageInitShape<typeof AtomStatusSchema> {
  return {
    id: BigInt(atom.id),
    definition: atom.id === UNIVERSE_ATOM_ID ? 'every identity' : describeAtom(atom.definition),
    state: atom.state === 'ready' ? AtomState.READY : AtomState.BUILDING,
    progress: builtShare(atom, highest),
    chunks: BigInt(atom.chunks),
    cardinality: BigInt(cardinality),
    baseRevision: BigInt(atom.baseRevision),
  };
}

/** An atom in words; the universe has no definition. */
export function describeAtom(definition: AtomDefinition | undefined): string {
  if (definition === undefined) return 'every identity';
  const { property, operator, operand, list, segmentKey } = definition;
  const of = segmentKey === '' ? '' : ` of segment ${segmentKey}`;
  const text = list === '' ? operand : `list ${list.slice(0, 12)}`;
  return `${property === '' ? '(identity key)' : property} ${operator} ${text.length > 200 ? `${text.slice(0, 200)}…` : text}${of}`.trim();
}
