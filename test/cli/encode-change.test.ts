import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import * as fc from 'fast-check';
import { expect, it } from 'vitest';
import type { OutgoingChange } from '../../src/cli/import/encode-change.js';
import { encodeChange } from '../../src/cli/import/encode-change.js';
import { ApplyChangesRequestSchema } from '../../src/gen/rollcall/v1/ingest_service_pb.js';
import { traitMessage } from '../../src/server/messages/trait-messages.js';
import { traitValues } from '../helpers/trait-values.js';

const changes: fc.Arbitrary<OutgoingChange> = fc.record(
  {
    environment: fc.string({ unit: 'grapheme' }),
    identifier: fc.oneof(fc.string({ unit: 'grapheme' }), fc.string({ minLength: 200, maxLength: 70_000 })),
    id: fc.bigInt({ min: 0n, max: 2n ** 53n - 1n }),
    kind: fc.constantFrom('upsert', 'set_traits', 'delete'),
    traits: fc.dictionary(fc.string({ unit: 'grapheme' }), traitValues, { noNullPrototype: true }),
  },
  { requiredKeys: ['environment', 'identifier', 'kind', 'traits'] },
);

function generated({ environment, identifier, id, kind, traits }: OutgoingChange) {
  const value = {
    traits: Object.fromEntries(Object.entries(traits).map(([name, trait]) => [name, traitMessage(trait)])),
  };
  const change =
    kind === 'delete'
      ? ({ case: 'delete', value: {} } as const)
      : ({ case: kind === 'upsert' ? 'upsert' : 'setTraits', value } as const);
  return { environmentKey: environment, identifier, change, ...(id === undefined ? {} : { identityId: id }) };
}

it('a batch encoded by hand is read as the one that the generated code encodes', () => {
  fc.assert(
    fc.property(fc.array(changes, { maxLength: 5 }), (batch) => {
      const sent = batch.map((change) => (change.kind === 'delete' ? { ...change, traits: {} } : change));
      const byHand = fromBinary(ApplyChangesRequestSchema, Buffer.concat(sent.map(encodeChange)));
      const request = create(ApplyChangesRequestSchema, { changes: sent.map(generated) });
      expect(byHand).toEqual(fromBinary(ApplyChangesRequestSchema, toBinary(ApplyChangesRequestSchema, request)));
    }),
  );
});
