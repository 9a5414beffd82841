import { isDigit } from './calendar.ts';
import { parseClfText } from './clf.ts';
import { EPOCH_SHIFT, parseAnyEpochTime, parseEpochTime } from './epoch.ts';
import { parseIsoTime } from './iso.ts';
import { type LocalZone, UTC, zoneNamed } from './local-zone.ts';
import { parseRfc2822Time } from './rfc2822.ts';

/** How times may be written. */
export const TIME_FORMATS = ['auto', 'iso', 'rfc2822', 'clf', 'epoch_s', 'epoch_ms', 'epoch_us', 'epoch_ns'] as const;
export type TimeFormat = (typeof TIME_FORMATS)[number];

/** What a value may be a time as: a text in quotes, a number, or a number in quotes. */
export interface TimeReader {
  /** The text in [start, end), that of a string without its quotes. */
  text(bytes: Uint8Array, start: number, end: number): number;
  /** A number of JSON in [start, end). */
  number(bytes: Uint8Array, start: number, end: number): number;
  /** Whether a number in quotes goes to `number`. */
  readonly takesQuotedNumbers: boolean;
}

type ParseText = (bytes: Uint8Array, start: number, end: number, local: LocalZone) => number;

const none = (): number => Number.NaN;

/**
 * Reads times of one format, in milliseconds since 1970, UTC; NaN for what is none. A time without a zone is of `timeZone`, a name of the
 * time zone data that the caller has checked.
 */
export function timeReader(format: TimeFormat, timeZone: string): TimeReader {
  const zone = timeZone === 'UTC' ? UTC : (zoneNamed(timeZone) ?? UTC);
  const ofText = (parse: ParseText): TimeReader => ({
    text: (bytes, start, end) => parse(bytes, start, end, zone),
    number: none,
    takesQuotedNumbers: false,
  });
  switch (format) {
    case 'iso':
      return ofText(parseIsoTime);
    case 'rfc2822':
      return ofText(parseRfc2822Time);
    case 'clf':
      return ofText(parseClfText);
    case 'auto':
      return { ...ofText(parseAnyText), number: parseAnyEpochTime, takesQuotedNumbers: true };
    default: {
      const shift = EPOCH_SHIFT[format];
      const number = (bytes: Uint8Array, start: number, end: number): number =>
        parseEpochTime(bytes, start, end, shift);
      return { text: none, number, takesQuotedNumbers: true };
    }
  }
}

/** No two of these forms begin alike: four digits, a bracket or `17/`, a weekday or a day and a blank. */
function parseAnyText(bytes: Uint8Array, start: number, end: number, local: LocalZone): number {
  const third = bytes[start + 2];
  if (isDigit(third) && bytes[start] !== 0x5b) return parseIsoTime(bytes, start, end, local);
  if (bytes[start] === 0x5b || third === 0x2f) return parseClfText(bytes, start, end, local);
  return parseRfc2822Time(bytes, start, end, local);
}
