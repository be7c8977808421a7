import { styleText } from 'node:util';

/** Colours for standard output and error; none where the stream is not a terminal or NO_COLOR is set. */
function styler(
  format: Parameters<typeof styleText>[0],
  stream: NodeJS.WriteStream = process.stdout,
): (text: string) => string {
  return (text) => styleText(format, text, { stream });
}

export const bold = styler('bold');
export const dim = styler('dim');
export const green = styler('green');
export const red = styler('red');
export const cyan = styler('cyan');
export const redOnError = styler('red', process.stderr);

/** A tick or a cross. */
export function mark(isTrue: boolean): string {
  return isTrue ? green('✓') : red('✗');
}
