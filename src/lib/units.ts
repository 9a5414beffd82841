import { z } from 'zod';

const DURATION_UNITS_MS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };
const SIZE_UNITS: Readonly<Record<string, number>> = {
  B: 1,
  KiB: 1024,
  MiB: 1024 ** 2,
  GiB: 1024 ** 3,
  TiB: 1024 ** 4,
  kB: 1000,
  MB: 1000 ** 2,
  GB: 1000 ** 3,
  TB: 1000 ** 4,
};
const DURATION = /^(\d{1,12})(ms|s|m|h|d)$/;
const SIZE = /^(\d{1,12})(B|KiB|MiB|GiB|TiB|kB|MB|GB|TB)$/;

export const DURATION_FORM = 'a duration: a whole number and ms, s, m, h or d, such as 30s';
const SIZE_FORM = 'a size: a whole number and B, KiB, MiB, GiB or TiB, such as 512MiB';

/** Milliseconds of `90s`, `30m`, …; undefined where the text is not a duration. */
export function parseDuration(text: string): number | undefined {
  return scaled(DURATION.exec(text), DURATION_UNITS_MS);
}

/** Bytes of `512KiB`, `10GB`, …; undefined where the text is not a size. */
export function parseSize(text: string): number | undefined {
  return scaled(SIZE.exec(text), SIZE_UNITS);
}

/** The shortest way to write a duration: 60000 is `1m`. */
export function formatDuration(ms: number): string {
  for (const [unit, factor] of Object.entries(DURATION_UNITS_MS).reverse()) {
    if (ms >= factor && ms % factor === 0) return `${ms / factor}${unit}`;
  }
  return `${ms}ms`;
}

/** The largest binary unit that leaves at most one decimal: for messages. */
export function formatSize(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${Number.isInteger(value) ? value : value.toFixed(1)} ${units[unit]}`;
}

interface Range {
  readonly min: string;
  readonly max: string;
}

/** A setting written `30s`, read as milliseconds. Bounds are written the same way and are part of the error. */
export function duration(range: Range): z.ZodType<number, string> {
  return quantity(parseDuration, DURATION, DURATION_FORM, range);
}

/** A setting written `1MiB`, read as bytes. */
export function size(range: Range): z.ZodType<number, string> {
  return quantity(parseSize, SIZE, SIZE_FORM, range);
}

function quantity(
  parse: (text: string) => number | undefined,
  pattern: RegExp,
  form: string,
  range: Range,
): z.ZodType<number, string> {
  const min = parse(range.min) ?? 0;
  const max = parse(range.max) ?? Number.MAX_SAFE_INTEGER;
  return z
    .string({ error: () => `expects ${form}` })
    .regex(pattern, { error: () => `expects ${form}`, abort: true })
    .transform((text, context) => {
      const value = parse(text) ?? Number.NaN;
      if (value >= min && value <= max) return value;
      context.issues.push({ code: 'custom', input: text, message: `must be between ${range.min} and ${range.max}` });
      return z.NEVER;
    });
}

function scaled(match: RegExpExecArray | null, units: Readonly<Record<string, number>>): number | undefined {
  const factor = units[match?.[2] ?? ''];
  if (match === null || factor === undefined) return undefined;
  const value = Number(match[1]) * factor;
  return Number.isSafeInteger(value) ? value : undefined;
}

const NUMBER = new Intl.NumberFormat('en');

/** `1,204,000`. */
export function formatCount(value: number): string {
  return NUMBER.format(Math.round(value));
}
