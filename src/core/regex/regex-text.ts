import { type CodePointSet, contains } from '../python/code-points.js';

/** What stands for a newline within the text where the last one alone is to look like a newline. No valid text holds it. */
export const INNER_NEWLINE = 0xdfff;

export const NEWLINE = 0x0a;

/**
 * How a text is shown to RE2, so that its `(?m:$)`, `\b` and `\B` hold exactly where Python's `$`, `\b` and `\B` do.
 * - `marksLastNewline`: newlines become INNER_NEWLINE, but for one that ends the text.
 * - `words`: every character stands between two marks, `w` if it is in this set, a newline's own kind if it is a newline,
 *   else `-`; RE2, which knows only words of ASCII, then sees between two characters the marks of both.
 */
export interface TextForm {
  readonly marksLastNewline: boolean;
  readonly words: CodePointSet | undefined;
}

/** Shows a text in the form that the pattern was written for. */
export function encodeText(text: string, form: TextForm): string {
  const shown = form.marksLastNewline ? markLastNewline(text) : text;
  return form.words === undefined ? shown : markWords(shown, form.words);
}

function markLastNewline(text: string): string {
  if (!text.includes('\n')) return text;
  return text.slice(0, -1).replaceAll('\n', String.fromCharCode(INNER_NEWLINE)) + text.slice(-1);
}

function markWords(text: string, words: CodePointSet): string {
  let marked = '';
  for (const character of text) marked += encodeCharacter(character, words);
  return marked;
}

function encodeCharacter(character: string, words: CodePointSet): string {
  if (character === '\n') return '\n\n\n';
  const mark = contains(words, character.codePointAt(0) ?? 0) ? 'w' : '-';
  return mark + character + mark;
}
