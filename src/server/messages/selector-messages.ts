import { RollcallError } from '../../core/errors.js';
import type { Freshness as FreshnessMessage } from '../../gen/rollcall/v1/freshness_pb.js';
import type { IdentityReference } from '../../gen/rollcall/v1/identity_reference_pb.js';
import type { Selector } from '../../gen/rollcall/v1/selector_pb.js';
import { decodeTraits } from '../../indexing/decode.js';
import type { IdentityQuery } from '../../query/identity-truth.js';
import type { Freshness, Target } from '../../query/select.js';
import { dialectOf, rulesOf } from './segment-messages.js';

/** What a selector is about. A draft's lists are known by name alone. */
export function targetOf({ target }: Selector): Target {
  switch (target.case) {
    case 'segment':
      return { kind: 'segment', key: target.value };
    case 'draft': {
      const { key, parent, dialect, rules } = target.value;
      return {
        kind: 'draft',
        key: key ?? '',
        definition: { dialect: dialectOf(dialect), enabled: true, parent, rules: rulesOf(rules) },
      };
    }
    case undefined:
      throw new RollcallError('INVALID_REQUEST', 'a selector names a segment or holds a draft', {
        metadata: { field: 'selector.target' },
      });
  }
}

/** How new the answer has to be; whatever is in memory where nothing is said. */
export function freshnessOf(message: FreshnessMessage | undefined): Freshness {
  const level = message?.level;
  switch (level?.case) {
    case 'atLeastRevision':
      return { level: 'at_least', revision: Number(level.value) };
    case 'exactRevision':
      return { level: 'exact', revision: Number(level.value) };
    case 'latest':
      return level.value ? { level: 'latest' } : { level: 'minimize_latency' };
    case 'minimizeLatency':
    case undefined:
      return { level: 'minimize_latency' };
  }
}

/** Which identity is meant. Throws INVALID_TRAIT for inline traits that could not be stored either. */
export function identityOf(message: IdentityReference | undefined): IdentityQuery {
  const identity = message?.identity;
  switch (identity?.case) {
    case 'identifier':
      return { kind: 'identifier', identifier: identity.value };
    case 'id':
      return { kind: 'id', id: Number(identity.value) };
    case 'inline':
      return {
        kind: 'inline',
        identifier: identity.value.identifier,
        traits: withoutNulls(decodeTraits(identity.value.traits)),
      };
    case undefined:
      throw new RollcallError('INVALID_REQUEST', 'an identity is named by its identifier or id, or given inline', {
        metadata: { field: 'identity' },
      });
  }
}

function withoutNulls(traits: ReadonlyMap<string, string>): Map<string, string> {
  return new Map([...traits].filter(([, text]) => text !== 'null'));
}
