import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { LocalZone, UTC, zoneNamed } from '../../../src/codecs/times/local-zone.ts';
import { isZone } from '../../../src/lib/zone-clock.ts';

const HOUR_MS = 3_600_000;
const ZONES = [
  'Europe/Berlin',
  'America/New_York',
  'Australia/Lord_Howe',
  'Africa/Casablanca',
  'America/St_Johns',
  'Asia/Kathmandu',
  'Pacific/Apia',
  'Africa/Cairo',
  'Asia/Gaza',
  'America/Sao_Paulo',
  'Europe/Dublin',
  'Pacific/Chatham',
  'Asia/Tehran',
];

/** What the clock of a zone shows at a moment, as `Intl` says it. */
function shown(format: Intl.DateTimeFormat, utcMs: number): number {
  const parts = Object.fromEntries(format.formatToParts(utcMs).map(({ type, value }) => [type, Number(value)]));
  const { year, month, day, hour, minute, second } = parts;
  return Date.UTC(year!, month! - 1, day, hour, minute, second) + (((utcMs % 1000) + 1000) % 1000);
}

function clockOf(zone: string): (utcMs: number) => number {
  const format = new Intl.DateTimeFormat('en-US', {
    timeZone: zone,
    hourCycle: 'h23',
    year: 'numeric',
    month: 'numeric',
    day: 'numeric',
    hour: 'numeric',
    minute: 'numeric',
    second: 'numeric',
  });
  return (utcMs) => shown(format, utcMs);
}

test.each(ZONES)(
  '%s: a local time is the first moment at which its clock shows it, or the one by the clock before',
  (zone) => {
    const show = clockOf(zone);
    const local = new LocalZone(zone);
    const anyYear = fc.integer({ min: Date.UTC(1930, 0), max: Date.UTC(2060, 0) });
    // Near the days on which most clocks change.
    const nearChange = fc
      .tuple(
        fc.integer({ min: 1970, max: 2050 }),
        fc.constantFrom(2, 3, 4, 8, 9, 10),
        fc.integer({ min: -12 * 3600, max: 32 * 86_400 }),
      )
      .map(([year, month, seconds]) => Date.UTC(year, month) + seconds * 1000);
    fc.assert(
      fc.property(fc.oneof(anyYear, nearChange), (localMs) => {
        const offsets = new Set(
          [-36, -24, -12, 0, 12, 24, 36].map((hours) => show(localMs + hours * HOUR_MS) - localMs - hours * HOUR_MS),
        );
        const moments = [...offsets].map((offset) => localMs - offset).filter((utcMs) => show(utcMs) === localMs);
        const before = show(localMs - 30 * HOUR_MS) - localMs + 30 * HOUR_MS;
        const expected = moments.length > 0 ? Math.min(...moments) : localMs - before;
        expect([new Date(localMs).toISOString(), local.utcMs(localMs)]).toEqual([
          new Date(localMs).toISOString(),
          expected,
        ]);
      }),
      { seed: 31, numRuns: 600 },
    );
  },
);

test('an hour that comes twice is its first, one that is left out is read by the clock before', () => {
  const berlin = new LocalZone('Europe/Berlin');
  const at = (text: string): string => new Date(berlin.utcMs(Date.parse(`${text}Z`))).toISOString();
  expect(at('2026-03-29T01:59:59.999')).toBe('2026-03-29T00:59:59.999Z');
  expect(at('2026-03-29T02:30:00')).toBe('2026-03-29T01:30:00.000Z');
  expect(at('2026-03-29T03:00:00')).toBe('2026-03-29T01:00:00.000Z');
  expect(at('2026-10-25T02:30:00')).toBe('2026-10-25T00:30:00.000Z');
  expect(at('2026-10-25T03:00:00')).toBe('2026-10-25T02:00:00.000Z');
  expect(at('0000-01-01T00:00:00')).toBe('-000001-12-31T23:06:32.000Z');
});

test('`Intl` is asked at edges only: a million times of a stretch cost no call', () => {
  const zone = new LocalZone('America/New_York');
  zone.utcMs(Date.UTC(2026, 5));
  let calls = 0;
  const described = Object.getOwnPropertyDescriptor(Intl.DateTimeFormat.prototype, 'format')!;
  Object.defineProperty(Intl.DateTimeFormat.prototype, 'format', {
    ...described,
    get(this: Intl.DateTimeFormat) {
      calls++;
      return described.get!.call(this) as unknown;
    },
  });
  try {
    for (let i = 0; i < 1_000_000; i++) zone.utcMs(Date.UTC(2026, 5) + i * 1000);
    expect(calls).toBe(0);
    zone.utcMs(Date.UTC(2026, 11));
    expect(calls).toBe(0);
    zone.utcMs(Date.UTC(2030, 11));
    expect(calls).toBeGreaterThan(0);
  } finally {
    Object.defineProperty(Intl.DateTimeFormat.prototype, 'format', described);
  }
});

test('names are those of the time zone data', () => {
  expect(['Europe/Berlin', 'UTC', 'GMT', 'europe/berlin', 'Asia/Calcutta'].map(isZone)).toEqual([
    true,
    true,
    true,
    true,
    true,
  ]);
  expect(['', 'Mars/Olympus', '+02:00', 'CEST', 'Europe/', ' UTC'].map(isZone)).toEqual([
    false,
    false,
    false,
    false,
    false,
    false,
  ]);
  expect(zoneNamed('europe/BERLIN')).toBe(zoneNamed('Europe/Berlin'));
  expect(zoneNamed('Mars/Olympus')).toBeUndefined();
  expect(UTC.utcMs(Number.NaN)).toBeNaN();
  expect(new LocalZone('Europe/Berlin').utcMs(Number.NaN)).toBeNaN();
  for (let i = 0; i < 3000; i++) zoneNamed(`No/Where${i}`);
  expect(zoneNamed('Europe/Berlin')?.utcMs(0)).toBe(-HOUR_MS);
});
