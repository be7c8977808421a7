import fc from 'fast-check';
import type { TraitValue } from '../../src/core/values.js';

const floats = fc.double({ noNaN: true, noDefaultInfinity: true }).map((value) => (value === 0 ? 0 : value));
const scalars = fc.oneof(fc.string({ unit: 'binary' }), fc.boolean(), fc.bigInt(), floats, fc.constant(null));

/** Any value that a trait may have. */
export const traitValues: fc.Arbitrary<TraitValue> = fc.letrec<{ value: TraitValue }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 3 },
    scalars,
    fc.array(tie('value'), { maxLength: 4 }),
    fc.dictionary(fc.string({ unit: 'binary' }), tie('value'), { maxKeys: 4, noNullPrototype: true }),
  ),
})).value;
