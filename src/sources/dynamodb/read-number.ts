/**
 * The JSON text of a DynamoDB number: whole numbers are integers of any size, also those written with an exponent; what has a fraction is a float, with all of its digits. DynamoDB
 * itself drops the zeros at the end of a fraction, so that 1.0 comes as 1; where a server keeps them, 1.0 stays a float. Undefined where the text is no number.
 */
export function readNumber(text: string): string | undefined {
  if (PLAIN_INTEGER.test(text)) return text;
  const match = NUMBER.exec(text);
  if (match === null) return undefined;
  const { sign = '', whole = '', fraction = '', exponent } = match.groups ?? {};
  if (whole + fraction === '' || Math.abs(Number(exponent ?? 0)) > MAX_EXPONENT) return undefined;
  return exponent === undefined
    ? signed(sign, trimWhole(whole), fraction)
    : scale(sign, whole, fraction, Number(exponent));
}

const PLAIN_INTEGER = /^(?:0|-?[1-9][0-9]*)$/;
const NUMBER = /^\+?(?<sign>-?)(?<whole>[0-9]*)(?:\.(?<fraction>[0-9]*))?(?:[eE](?<exponent>[+-]?[0-9]+))?$/;
/** DynamoDB goes from 1E-130 to 9.9E+125; beyond this a few characters would become a very long text. */
const MAX_EXPONENT = 400;

function scale(sign: string, whole: string, fraction: string, exponent: number): string {
  const digits = whole + fraction;
  const point = whole.length + exponent;
  const before = point <= 0 ? '' : digits.slice(0, point).padEnd(point, '0');
  const after = point <= 0 ? '0'.repeat(-point) + digits : digits.slice(point);
  return signed(sign, trimWhole(before), after.replace(/0+$/, ''));
}

/** Neither integers nor floats have a negative zero. */
function signed(sign: string, whole: string, fraction: string): string {
  if (fraction === '') return whole === '0' ? '0' : sign + whole;
  const short = fraction.replace(/(?<=[0-9])0+$/, '');
  return `${whole === '0' && short === '0' ? '' : sign}${whole}.${short}`;
}

function trimWhole(digits: string): string {
  return digits.replace(/^0+(?=[0-9])/, '') || '0';
}
