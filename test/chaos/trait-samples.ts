import type { MessageInitShape } from '@bufbuild/protobuf';
import { NullValue } from '@bufbuild/protobuf/wkt';
import type { TraitValueSchema } from '../../src/gen/rollcall/v1/trait_value_pb.js';

/**
 * A value as a protobuf message, as proto3 JSON and as the text that is to be stored; written out by hand, so that no code under test says what is
 * right. A `stored` of null is no trait.
 */
export interface TraitSample {
  readonly message: MessageInitShape<typeof TraitValueSchema>;
  readonly json: string;
  readonly stored: string | null;
}

const text = (value: string): TraitSample => ({
  message: { kind: { case: 'stringValue', value } },
  json: `{"stringValue":${JSON.stringify(value)}}`,
  stored: JSON.stringify(value),
});

const integer = (value: bigint): TraitSample => ({
  message: { kind: { case: 'intValue', value } },
  json: `{"int_value":"${value}"}`,
  stored: String(value),
});

const float = (value: number, stored: string): TraitSample => ({
  message: { kind: { case: 'floatValue', value } },
  json: `{"floatValue":${stored}}`,
  stored,
});

const truth = (value: boolean): TraitSample => ({
  message: { kind: { case: 'boolValue', value } },
  json: `{"boolValue":${value}}`,
  stored: String(value),
});

export const NULL_SAMPLE: TraitSample = {
  message: { kind: { case: 'nullValue', value: NullValue.NULL_VALUE } },
  json: '{"nullValue":null}',
  stored: null,
};

const HUGE = '1180591620717411303424';

/** Values beside the operands of `CONDITIONS`. */
export const TRAIT_SAMPLES: readonly TraitSample[] = [
  ...['pro', 'free', 'enterprise', '', '007', '21', 'user-1', '1.2.3', 'Zoë \u{1F600}', '50% "off"\n', 'True'].map(
    text,
  ),
  ...[0n, 1n, 7n, 18n, 20n, 21n, 22n, 64n, -3n, 9007199254740993n].map(integer),
  float(21, '21.0'),
  float(20.5, '20.5'),
  float(-0.25, '-0.25'),
  float(1e16, '10000000000000000.0'),
  truth(true),
  truth(false),
  { message: { kind: { case: 'bigIntValue', value: HUGE } }, json: `{"bigIntValue":"${HUGE}"}`, stored: HUGE },
  {
    message: { kind: { case: 'listValue', value: { values: [text('pro').message, integer(1n).message] } } },
    json: '{"listValue":{"values":[{"stringValue":"pro"},{"intValue":"1"}]}}',
    stored: '["pro", 1]',
  },
  {
    message: { kind: { case: 'mapValue', value: { values: { level: integer(21n).message } } } },
    json: '{"mapValue":{"values":{"level":{"intValue":"21"}}}}',
    stored: '{"level": 21}',
  },
];

/** Traits that the service is to refuse. */
export const REFUSED_SAMPLES: readonly Pick<TraitSample, 'message'>[] = [
  { message: { kind: { case: 'floatValue', value: NaN } } },
  { message: { kind: { case: 'floatValue', value: Infinity } } },
  { message: { kind: { case: 'stringValue', value: 'a\0b' } } },
  { message: { kind: { case: 'bigIntValue', value: '1.5' } } },
];
