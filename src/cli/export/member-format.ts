import type { TraitValue } from '../../core/values.js';
import type { Member } from '../../gen/rollcall/v1/member_pb.js';
import { memberJson } from '../answers.js';
import { jsonText, traitJson, traitsJson } from '../json.js';
import { traitsOf } from '../trait-messages.js';

export const MEMBER_FORMATS = ['ndjson', 'csv', 'ids'] as const;
export type MemberFormatName = (typeof MEMBER_FORMATS)[number];

/** How members are written to a file. Every line ends with a line feed. */
export interface MemberFormat {
  /** What comes before the first member. */
  readonly header: string;
  format(member: Member): string;
  /** Whether the traits must be asked for. */
  readonly needsTraits: boolean;
}

export interface MemberFormatOptions {
  readonly format: MemberFormatName;
  readonly traits: boolean;
  /** For CSV: the traits that get a column each. */
  readonly columns: readonly string[];
}

/** `ids` is one identifier a line; CSV has the columns given, or all traits as JSON in one. */
export function memberFormat({ format, traits, columns }: MemberFormatOptions): MemberFormat {
  switch (format) {
    case 'ndjson':
      return { header: '', needsTraits: traits, format: (member) => `${jsonText(memberJson(member, traits))}\n` };
    case 'ids':
      return { header: '', needsTraits: false, format: ({ identifier }) => `${identifier}\n` };
    case 'csv':
      return csvFormat(traits, columns);
  }
}

function csvFormat(traits: boolean, columns: readonly string[]): MemberFormat {
  const needsTraits = traits || columns.length > 0;
  const traitColumns = columns.length > 0 ? columns : needsTraits ? ['traits'] : [];
  const traitCells = ({ traits: messages }: Member): readonly string[] => {
    if (!needsTraits) return [];
    const values = traitsOf(messages);
    return columns.length > 0 ? columns.map((name) => cellText(values[name])) : [jsonText(traitsJson(values))];
  };
  return {
    header: csvLine(['id', 'identifier', ...traitColumns]),
    needsTraits,
    format: (member) => csvLine([String(member.id), member.identifier, ...traitCells(member)]),
  };
}

function cellText(value: TraitValue | undefined): string {
  if (value === undefined || value === null) return '';
  return typeof value === 'string' ? value : jsonText(traitJson(value));
}

function csvLine(cells: readonly string[]): string {
  return `${cells.map(csvCell).join(',')}\n`;
}

function csvCell(text: string): string {
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
