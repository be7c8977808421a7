import type { JsonObject, JsonValue } from '@bufbuild/protobuf';

/** What every entry tells beside, or is no news. */
const LEFT_OUT: ReadonlySet<string> = new Set(['project', 'key', 'etag', 'createdAt', 'updatedAt', 'gatedAt']);
/** Values of enums begin with their enum's name. */
const ENUM_NAME = /^(?:RULE_TYPE|DIALECT|ORDINAL_MODE|IDENTITY_KEY_MODE|SOURCE_KIND|GATE|WHEN_OFF)_/;

/** What became of something in short: each member that is another now, or all of what is new. Empty where it is gone. */
export function changesText(before: JsonObject | undefined, after: JsonObject | undefined): string {
  if (after === undefined) return '';
  const earlier = new Map(before === undefined ? [] : leavesOf(before));
  const later = new Map(leavesOf(after));
  const texts: string[] = [];
  for (const [path, value] of later) {
    const was = earlier.get(path);
    if (was === value || (was === undefined && value === '""')) continue;
    texts.push(before === undefined ? `${path}: ${value}` : `${path}: ${was ?? 'none'} → ${value}`);
  }
  for (const [path, was] of earlier) if (!later.has(path)) texts.push(`${path}: ${was} → none`);
  return texts.join('; ');
}

/** Each value with its path; a condition is one value. */
function* leavesOf(members: JsonObject, prefix = ''): Generator<[path: string, text: string]> {
  for (const [name, value] of Object.entries(members)) {
    if (prefix === '' && LEFT_OUT.has(name)) continue;
    yield* leaves(`${prefix}${name}`, value);
  }
}

function* leaves(path: string, value: JsonValue): Generator<[path: string, text: string]> {
  if (Array.isArray(value)) for (const [index, item] of value.entries()) yield* leaves(`${path}[${index}]`, item);
  else if (typeof value !== 'object' || value === null) yield [path, scalarText(value)];
  else if ('operator' in value) yield [path, conditionText(value)];
  else yield* leavesOf(value, `${path}.`);
}

function scalarText(value: string | number | boolean | null): string {
  const text = JSON.stringify(value);
  return typeof value === 'string' && ENUM_NAME.test(value) ? value.replace(ENUM_NAME, '').toLowerCase() : text;
}

function conditionText({ property, operator, value, list }: JsonObject): string {
  const operand = list === undefined ? value : `list ${textOf(list)}`;
  return [property, operator, operand]
    .map(textOf)
    .filter((part) => part !== '')
    .join(' ');
}

function textOf(value: JsonValue | undefined): string {
  return typeof value === 'string' ? value : '';
}
