import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { parseAnyEpochTime, parseEpochTime } from '../../../src/codecs/times/epoch.ts';
import { TIME_FORMATS, type TimeFormat, timeReader } from '../../../src/codecs/times/reader.ts';

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];
const DAYS = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat'];

/** A value as it stands in a line, read as the decoder reads it. */
function read(text: string, format: TimeFormat = 'auto', timeZone = 'UTC'): number {
  const reader = timeReader(format, timeZone);
  const isQuoted = text.startsWith('"');
  const bytes = Buffer.from(isQuoted ? text.slice(1, -1) : text);
  if (!isQuoted) return reader.number(bytes, 0, bytes.length);
  const timeMs = reader.text(bytes, 0, bytes.length);
  const isNumber = /^-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?$/.test(text.slice(1, -1));
  return Number.isNaN(timeMs) && isNumber && reader.takesQuotedNumbers ? reader.number(bytes, 0, bytes.length) : timeMs;
}

const pair = (value: number): string => String(value).padStart(2, '0');

/** The parts of a moment by a clock that is `zoneMinutes` ahead, as `Date` has them. */
function clock(nanos: bigint, zoneMinutes: number) {
  const ms = Number((nanos - (((nanos % 1_000_000n) + 1_000_000n) % 1_000_000n)) / 1_000_000n);
  const local = new Date(ms + zoneMinutes * 60_000);
  const sign = zoneMinutes < 0 ? '-' : '+';
  const [hours, minutes] = [Math.floor(Math.abs(zoneMinutes) / 60), Math.abs(zoneMinutes) % 60];
  const fraction = String(((nanos % 1_000_000_000n) + 1_000_000_000n) % 1_000_000_000n).padStart(9, '0');
  return {
    year: String(local.getUTCFullYear()).padStart(4, '0'),
    month: pair(local.getUTCMonth() + 1),
    monthName: MONTHS[local.getUTCMonth()]!,
    day: pair(local.getUTCDate()),
    dayNumber: local.getUTCDate(),
    weekday: DAYS[local.getUTCDay()]!,
    ordinal: String(Math.floor((local.getTime() - Date.UTC(local.getUTCFullYear(), 0)) / 86_400_000) + 1).padStart(
      3,
      '0',
    ),
    time: `${pair(local.getUTCHours())}:${pair(local.getUTCMinutes())}:${pair(local.getUTCSeconds())}`,
    fraction,
    basicZone: `${sign}${pair(hours)}${pair(minutes)}`,
    zone: `${sign}${pair(hours)}:${pair(minutes)}`,
  };
}
type Clock = ReturnType<typeof clock>;

/** Every form, as its writers write it; the digits of the fraction that it keeps. */
const FORMS: readonly (readonly [name: string, digits: number, write: (c: Clock, digits: number) => string])[] = [
  ['extended', 9, (c, n) => `${c.year}-${c.month}-${c.day}T${c.time}${point('.', c, n)}${c.zone}`],
  ['with a comma', 9, (c, n) => `${c.year}-${c.month}-${c.day} ${c.time}${point(',', c, n)} ${c.basicZone}`],
  ['basic', 9, (c, n) => `${c.year}${c.month}${c.day}T${c.time.replaceAll(':', '')}${point('.', c, n)}${c.basicZone}`],
  ['ordinal', 9, (c, n) => `${c.year}-${c.ordinal}T${c.time}${point('.', c, n)}${c.zone}`],
  ['slashes', 9, (c, n) => `${c.year}/${c.month}/${c.day} ${c.time}${point('.', c, n)} ${c.zone}`],
  ['in brackets', 9, (c, n) => `${c.year}-${c.month}-${c.day}T${c.time}${point('.', c, n)}${c.zone}[Asia/Tokyo]`],
  ['RFC 2822', 0, (c) => `${c.weekday}, ${c.dayNumber} ${c.monthName} ${c.year} ${c.time} ${c.basicZone}`],
  ['RFC 2822 without weekday', 0, (c) => `${c.day} ${c.monthName} ${c.year} ${c.time} ${c.basicZone} (there)`],
  ['CLF', 0, (c) => `${c.day}/${c.monthName}/${c.year}:${c.time} ${c.basicZone}`],
  ['CLF in brackets', 0, (c) => `[${c.day}/${c.monthName}/${c.year}:${c.time} ${c.basicZone}]`],
];

function point(sign: string, { fraction }: Clock, digits: number): string {
  return digits === 0 ? '' : `${sign}${fraction.slice(0, digits)}`;
}

/** Nanoseconds rounded towards the past to so many digits of a second, in milliseconds. */
function floorMs(nanos: bigint, digits: number): number {
  const unit = 10n ** BigInt(9 - digits);
  const kept = nanos - (((nanos % unit) + unit) % unit);
  return Number((kept - (((kept % 1_000_000n) + 1_000_000n) % 1_000_000n)) / 1_000_000n);
}

test('a hundred thousand moments in every form come back, by `Date` and integers of any size', () => {
  const anyNanos = fc.bigInt(BigInt(Date.UTC(1900, 0)) * 1_000_000n, BigInt(Date.UTC(2100, 0)) * 1_000_000n);
  const anyZone = fc.oneof(fc.integer({ min: -14 * 60, max: 14 * 60 }), fc.constantFrom(0, 120, -300, 330));
  let checked = 0;
  const auto = timeReader('auto', 'UTC');
  const wrong: string[] = [];
  fc.assert(
    fc.property(anyNanos, anyZone, fc.nat(9), (nanos, zone, some) => {
      const parts = clock(nanos, zone);
      for (const [name, most, write] of FORMS) {
        const digits = Math.min(most, some);
        const bytes = Buffer.from(write(parts, digits));
        checked++;
        if (auto.text(bytes, 0, bytes.length) !== floorMs(nanos, digits)) wrong.push(`${name}: ${bytes.toString()}`);
      }
    }),
    { seed: 21, numRuns: 10_000 },
  );
  expect(wrong).toEqual([]);
  expect(checked).toBe(100_000);
});

test('a hundred thousand numbers in every unit, with and without exponent, are exact', () => {
  const anyDigits = fc.tuple(
    fc.bigInt(-(10n ** 20n), 10n ** 20n),
    fc.integer({ min: 0, max: 12 }),
    fc.constantFrom(0, 0, 0, -3, 3, 9),
  );
  const units = {
    epoch_s: 1000n * 10n ** 30n,
    epoch_ms: 10n ** 30n,
    epoch_us: 10n ** 27n,
    epoch_ns: 10n ** 24n,
  } as const;
  const shifts = { epoch_s: 3, epoch_ms: 0, epoch_us: -3, epoch_ns: -6 } as const;
  fc.assert(
    fc.property(anyDigits, ([digits, decimals, exponent]) => {
      const text = decimalText(digits, decimals, exponent);
      const bytes = Buffer.from(text);
      for (const [name, unit] of Object.entries(units) as [keyof typeof units, bigint][]) {
        const scaled = (digits * unit * 10n ** BigInt(exponent + 9)) / 10n ** BigInt(decimals + 9);
        const whole = floorDiv(scaled, 10n ** 30n);
        const expected = whole > 8_640_000_000_000_000n || whole < -8_640_000_000_000_000n ? Number.NaN : Number(whole);
        expect([text, name, parseEpochTime(bytes, 0, bytes.length, shifts[name])]).toEqual([text, name, expected]);
      }
    }),
    { seed: 22, numRuns: 25_000 },
  );
});

/** digits × 10^(exponent − decimals) as JSON writes it. */
function decimalText(digits: bigint, decimals: number, exponent: number): string {
  const sign = digits < 0n ? '-' : '';
  const text = String(digits < 0n ? -digits : digits).padStart(decimals + 1, '0');
  const whole = text.slice(0, text.length - decimals);
  const fraction = decimals === 0 ? '' : `.${text.slice(-decimals)}`;
  return `${sign}${whole}${fraction}${exponent === 0 ? '' : `e${exponent}`}`;
}

function floorDiv(value: bigint, by: bigint): bigint {
  return (value - (((value % by) + by) % by)) / by;
}

test('the unit of a number is told from it, from 1973 to 5138', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1e11, max: 1e14 - 1 }), (ms) => {
      const of = (text: string): number => parseAnyEpochTime(Buffer.from(text), 0, text.length);
      expect([of(`${ms}`), of(`${ms}000`), of(`${ms}999.9`), of(`${ms}999999`)]).toEqual([ms, ms, ms, ms]);
      const seconds = `${Math.floor(ms / 1000)}`;
      expect(of(`${seconds}.${String(ms % 1000).padStart(3, '0')}9`)).toBe(ms);
      expect(of(`${ms}e-3`)).toBe(ms);
    }),
    { seed: 23, numRuns: 2000 },
  );
});

describe('auto', () => {
  const at = Date.UTC(2021, 3, 29, 6, 1, 49);
  test.each([
    ['1619676109', at],
    ['1619676109.290', at + 290],
    ['1.619676109290e9', at + 290],
    ['"1619676109.290"', at + 290],
    ['1619676109290', at + 290],
    ['1619676109290999', at + 290],
    ['1619676109289999999', at + 289],
    ['"1619676109290000000"', at + 290],
    ['"Thu, 29 Apr 2021 06:01:49 GMT"', at],
    ['"29 Apr 21 06:01:49 UT"', at],
    ['"thu, 29 apr 2021 02:01:49 edt"', at],
    ['"29 Apr 2021 06:01"', at - 49_000],
    ['"29 Apr 1949 00:00 Z"', Date.UTC(1949, 3, 29)],
    ['"29 Apr 50 00:00 Z"', Date.UTC(1950, 3, 29)],
    ['"29/Apr/2021:09:01:49 +0300"', at],
    ['"[29/Apr/2021:06:01:49 +0000]"', at],
    ['"29/Apr/2021:06:01:49.290"', at + 290],
    ['"20210429"', Date.UTC(2021, 3, 29)],
  ])('%s', (text, timeMs) => expect(read(text)).toBe(timeMs));

  test.each([
    '0',
    '-1619676109',
    '99999999',
    '5',
    '20210429',
    '1e300',
    '100000000000000000000',
    '"-1619676109"',
    '0.5',
    '""',
    '" "',
    '"x"',
    '"now"',
    '"12:05:03"',
    '"29 Apr"',
    '"Apr 29 06:01:49"',
    '"Foo, 29 Apr 2021 06:01:49 GMT"',
    '"29 Apr 2021 06:01:49 CET"',
    '"31 Apr 2021 06:01:49 GMT"',
    '"29/Foo/2021:06:01:49 +0000"',
    '"29/Apr/2021"',
    '"[29/Apr/2021:06:01:49 +0000"',
    '"29 Apr 021 06:01 GMT"',
    '"1619676109x"',
    '"01619676109"',
    '"/Apr/"',
    '"29/"',
    '","',
    '"(29 Apr 2021 06:01)"',
    '")"',
    '"Thu,"',
    '"29 Apr 2021 06:01:4"',
    '"29 Apr 2021 25:01"',
  ])('%s is not a time', (text) => expect(read(text)).toBeNaN());
});

test('a form that is named is the only one', () => {
  const texts: Partial<Record<TimeFormat, string>> = {
    iso: '"2021-04-29T06:01:49Z"',
    rfc2822: '"Thu, 29 Apr 2021 06:01:49 GMT"',
    clf: '"29/Apr/2021:06:01:49 +0000"',
    epoch_s: '"1619676109"',
  };
  for (const format of TIME_FORMATS)
    for (const [own, text] of Object.entries(texts)) {
      const timeMs = read(text, format);
      if (format === 'auto' || format === own) expect(timeMs).toBe(1619676109000);
      else if (own !== 'epoch_s' || !format.startsWith('epoch'))
        expect([format, own, timeMs]).toEqual([format, own, NaN]);
    }
  expect(read('5', 'epoch_s')).toBe(5000);
  expect(read('-0.0001', 'epoch_s')).toBe(-1);
  expect(Object.is(read('-0', 'epoch_s'), 0)).toBe(true);
});

test('no bytes are read as a time beyond the text, or throw', () => {
  const pieces = fc.constantFrom(
    '2015',
    '05',
    '17',
    '-',
    '/',
    ':',
    'T',
    ' ',
    'W',
    '[',
    ']',
    '(',
    ')',
    ',',
    '.',
    '+',
    'Z',
    'UTC',
    'Sun',
    'May',
    'é',
    '9',
  );
  const reader = timeReader('auto', 'Europe/Berlin');
  fc.assert(
    fc.property(fc.array(pieces, { maxLength: 14 }), fc.array(pieces, { maxLength: 3 }), (text, behind) => {
      const [alone, longer] = [Buffer.from(text.join('')), Buffer.from(`${text.join('')}${behind.join('')}`)];
      expect(reader.text(longer, 0, alone.length)).toEqual(reader.text(alone, 0, alone.length));
    }),
    { seed: 24, numRuns: 20_000 },
  );
});
