import { expect, test } from '@jest/globals';
import { duration, formatDuration, formatSize, parseDuration, parseSize, size } from '../../src/lib/units.ts';

test('durations are whole numbers with a unit', () => {
  expect(['500ms', '30s', '5m', '2h', '7d', '0s'].map(parseDuration)).toEqual([
    500, 30_000, 300_000, 7_200_000, 604_800_000, 0,
  ]);
  for (const text of ['', '30', 's', '1.5h', '-1s', ' 1s', '1s ', '1w', '1S', '9999999999999s', '999999999999d']) {
    expect(parseDuration(text)).toBeUndefined();
  }
});

test('sizes are whole numbers with a unit, binary or decimal', () => {
  expect(['1B', '1KiB', '2MiB', '1GiB', '1MB'].map(parseSize)).toEqual([1, 1024, 2_097_152, 1_073_741_824, 1_000_000]);
  for (const text of ['', '1', '1K', '1mb', '1.5GiB', '-1B']) expect(parseSize(text)).toBeUndefined();
});

test('a duration is written with the largest unit that fits', () => {
  expect([0, 1, 1000, 90_000, 3_600_000, 86_400_000].map(formatDuration)).toEqual([
    '0ms',
    '1ms',
    '1s',
    '90s',
    '1h',
    '1d',
  ]);
  for (const text of ['250ms', '45s', '10m', '3d']) expect(formatDuration(parseDuration(text)!)).toBe(text);
});

test('a size is written with at most one decimal', () => {
  expect([0, 1023, 1024, 1536, 5 * 1024 ** 3].map(formatSize)).toEqual(['0 B', '1023 B', '1 KiB', '1.5 KiB', '5 GiB']);
});

test('a setting has bounds, and says them as they are written', () => {
  const setting = duration({ min: '1s', max: '1h' });
  expect(setting.parse('1h')).toBe(3_600_000);
  expect(setting.safeParse('61m').error?.issues[0]?.message).toBe('must be between 1s and 1h');
  expect(setting.safeParse('soon').error?.issues).toHaveLength(1);
  expect(size({ min: '1KiB', max: '1MiB' }).safeParse('1B').error?.issues[0]?.message).toBe(
    'must be between 1KiB and 1MiB',
  );
});
