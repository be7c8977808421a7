import { type CivilTime, dateOfWeek, DAY, HOUR, isDate, MINUTE, SECOND } from './calendar.js';

/**
 * Reads an ISO 8601 date, or date and time, as Python's `datetime` does: extended (`2024-05-01T10:00:00.5+02:00`) and basic (`20240501T100000Z`) forms, week
 * dates (`2024-W18-3`), a space or any other character for the `T`, one digit for a month, day, hour, minute or second in the extended form, a comma for the
 * point, one character of ASCII before the zone; digits beyond microseconds are cut. No zone means UTC. Undefined for everything else.
 */
export function readIsoTime(text: string): CivilTime | undefined {
  return readLoose(text) ?? readStrict(text.replaceAll('Z', '+00:00'));
}

const LOOSE_DATE = /^(\d{4})-(1[0-2]|0?[1-9])-(3[01]|[12]\d|[0 ]?[1-9])(.*)$/s;
const LOOSE_CLOCK = /^(?:\s+|([Tt]))(2[0-3]|[01]?\d):([0-5]?\d):([0-5]?\d)(?:\.(\d{1,6}))?(.*)$/s;
const LOOSE_ZONE =
  /^(?:Z|([+-])(\d\d)(?::?([0-5]\d)|:([0-5]\d):([0-5]\d)(?:\.(\d{1,6}))?|([0-5]\d)([0-5]\d)(?:\.(\d{1,6}))?))$/;

/** The forms in which numbers may have one digit. */
function readLoose(text: string): CivilTime | undefined {
  const [, year, month, day = '', rest = ''] = LOOSE_DATE.exec(text) ?? [];
  const civil = (clock: number, offset: number) =>
    civilTime(Number(year), Number(month), Number(day.trim()), clock, offset);
  if (year === undefined || rest === '') return year === undefined ? undefined : civil(0, 0);
  const [, separator, hour, minute, second, fraction, zone = ''] = LOOSE_CLOCK.exec(rest) ?? [];
  if (hour === undefined || (separator === undefined && (zone !== '' || fraction !== undefined))) return undefined;
  const clock = clockOf(hour, minute, second, fraction);
  const offset = zone === '' ? 0 : readLooseZone(zone);
  return offset === undefined ? undefined : civil(clock, offset);
}

function readLooseZone(text: string): number | undefined {
  const match = LOOSE_ZONE.exec(text);
  if (match === null) return undefined;
  const [, sign, hour, minute, minute2, second2, fraction2, minute3, second3, fraction3] = match;
  const offset = clockOf(hour, minute ?? minute2 ?? minute3, second2 ?? second3, fraction2 ?? fraction3);
  return sign === '-' ? -offset : offset;
}

const CLOCK = String.raw`(\d\d)(?::(\d\d)(?::(\d\d))?|(\d\d)(\d\d)?)?(?:[.,](\d+))?`;
const CLOCK_AND_ZONE = new RegExp(`^${CLOCK}(?:([\\x01-*,.-\\x7f])?([+-])${CLOCK})?$`);

function readStrict(text: string): CivilTime | undefined {
  const dateLength = dateLengthOf(text);
  const date = dateLength === undefined ? undefined : readDate(text.slice(0, dateLength));
  if (date === undefined) return undefined;
  const rest = text.slice(dateLength);
  if (rest === '') return civilTime(date.year, date.month, date.day, 0, 0);
  const match = CLOCK_AND_ZONE.exec([...rest].slice(1).join(''));
  if (match === null) return undefined;
  const [, hour, minute, second, basicMinute, basicSecond, fraction, stray, sign, ...zone] = match;
  if (stray !== undefined && fraction !== undefined && fraction.length < 6) return undefined;
  const [zoneHour, zoneMinute, zoneSecond, basicZoneMinute, basicZoneSecond, zoneFraction] = zone;
  if (Number(hour) > 23 || Number(minute ?? basicMinute ?? 0) > 59 || Number(second ?? basicSecond ?? 0) > 59)
    return undefined;
  const clock = clockOf(hour, minute ?? basicMinute, second ?? basicSecond, fraction);
  const offset = clockOf(zoneHour, zoneMinute ?? basicZoneMinute, zoneSecond ?? basicZoneSecond, zoneFraction);
  return civilTime(date.year, date.month, date.day, clock, sign === '-' ? -offset : offset);
}

/** Where the date ends and the character before the time stands; undefined where the text is too short for a date. */
function dateLengthOf(text: string): number | undefined {
  if (text.length < 7) return undefined;
  if (text[4] !== '-') return text[4] === 'W' ? basicWeekLength(text) : text.length === 7 ? undefined : 8;
  if (text[5] !== 'W') return 10;
  if (text[8] !== '-') return 8;
  if (text.length === 9) return undefined;
  return text.length > 10 && isDigit(text[10]) ? 8 : 10;
}

/** `2024W18` or `2024W183`: which, is told by whether the digits that follow are an even or an odd number. */
function basicWeekLength(text: string): number {
  let end = 7;
  while (isDigit(text[end])) end += 1;
  if (end < 9) return end;
  return end % 2 === 0 ? 7 : 8;
}

function isDigit(character: string | undefined): boolean {
  return character !== undefined && character >= '0' && character <= '9';
}

const CALENDAR_DATE = /^(\d{4})(-?)(\d\d)\2(\d\d)$/;
const WEEK_DATE = /^(\d{4})(-?)W(\d\d)(?:\2(\d))?$/;

function readDate(text: string): Pick<CivilTime, 'year' | 'month' | 'day'> | undefined {
  const date = CALENDAR_DATE.exec(text);
  if (date !== null) return { year: Number(date[1]), month: Number(date[3]), day: Number(date[4]) };
  const week = WEEK_DATE.exec(text);
  return week === null ? undefined : dateOfWeek(Number(week[1]), Number(week[3]), Number(week[4] ?? 1));
}

function clockOf(hour = '0', minute = '0', second = '0', fraction = ''): number {
  const micros = Number(fraction.slice(0, 6).padEnd(6, '0'));
  return Number(hour) * HOUR + Number(minute) * MINUTE + Number(second) * SECOND + micros;
}

function civilTime(year: number, month: number, day: number, clock: number, offset: number): CivilTime | undefined {
  return isDate(year, month, day) && Math.abs(offset) < DAY ? { year, month, day, clock, offset } : undefined;
}
