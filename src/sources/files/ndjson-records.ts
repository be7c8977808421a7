import { type MemberChoice, readCarefully } from './careful-line.js';
import { createFastReader } from './fast-line.js';
import type { RecordReader } from './file-row.js';

/**
 * Reads NDJSON: one object a line, `{"identifier": …, "traits": {…}}` or flat, where every member but the identifier is a trait. 1 is an integer, 1.0 a
 * float. Blank lines are left out. Lines before it were `linesBefore`.
 */
export function createNdjsonReader(choice: MemberChoice, linesBefore: number): RecordReader {
  const readFast = createFastReader(choice);
  let line = linesBefore;
  return {
    get line() {
      return line;
    },
    columns: undefined,
    read(text, at, rows) {
      const lineFeed = text.indexOf('\n', at);
      const end = lineFeed < 0 ? text.length : lineFeed;
      const next = lineFeed < 0 ? end : end + 1;
      const to = text.charCodeAt(end - 1) === CARRIAGE_RETURN ? end - 1 : end;
      line += 1;
      const row = readFast(text, at, to);
      if (row !== undefined) {
        rows.take({ line, ...row });
        return next;
      }
      const whole = text
        .slice(at, end)
        .replace(/^\uFEFF/, '')
        .replaceAll(OUTER_SPACE, '');
      if (whole === '') return next;
      const reading = readCarefully(whole, choice);
      if ('problem' in reading) rows.reject({ line, ...reading });
      else rows.take({ line, ...reading });
      return next;
    },
    passOver(_record, rows) {
      line += 1;
      rows.reject({ line, identifier: '', reason: 'INVALID_DOCUMENT', problem: 'the line is not UTF-8' });
    },
    end: () => undefined,
  };
}

const CARRIAGE_RETURN = 0x0d;
/** JSON's own white space. */
const OUTER_SPACE = /^[ \t\r]+|[ \t\r]+$/g;
