import type { Timestamp } from '@bufbuild/protobuf/wkt';
import type { Member } from '../gen/rollcall/v1/member_pb.js';
import { formatCount, timeText } from './format.js';
import type { Json } from './json.js';
import { jsonText, traitsJson } from './json.js';
import { dim } from './style.js';
import { formatTable, printable } from './table.js';
import { traitsOf } from './trait-messages.js';

interface Answer {
  readonly revision: bigint;
  readonly asOf?: Timestamp | undefined;
  readonly etag?: string;
  readonly pending?: boolean;
}

/** What every answer says of itself. */
export function answerJson({ revision, asOf, etag, pending }: Answer): { readonly [key: string]: Json } {
  return { revision, asOf: timeText(asOf), etag: etag === '' ? undefined : etag, pending };
}

/** The same in one line for people. */
export function answerLine({ revision, asOf, pending }: Answer): string {
  const parts = [`revision ${formatCount(revision)}`];
  const time = timeText(asOf);
  if (time !== undefined) parts.push(`as of ${time}`);
  if (pending === true) parts.push('the earlier definition: the new one waits for its atoms');
  return dim(parts.join(', '));
}

/** A member; `traits` only if they were asked for. */
export function memberJson(member: Member, includeTraits: boolean): Json {
  const { id, identifier } = member;
  return includeTraits ? { id, identifier, traits: traitsJson(traitsOf(member.traits)) } : { id, identifier };
}

export function memberTable(members: readonly Member[], includeTraits: boolean): string {
  const traitColumns = includeTraits ? [{ title: 'traits' }] : [];
  return formatTable(
    [{ title: 'id', align: 'right' }, { title: 'identifier' }, ...traitColumns],
    members.map((member) => [
      String(member.id),
      printable(member.identifier),
      ...(includeTraits ? [printable(jsonText(traitsJson(traitsOf(member.traits))))] : []),
    ]),
  );
}
