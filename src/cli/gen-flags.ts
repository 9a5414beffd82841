import { InvalidArgumentError } from 'commander';
import type { GeneratorOptions } from '../agent/sources/generator.ts';
import type { TruthOptions } from '../agent/sources/generator-truth.ts';
import { parseIsoTime } from '../codecs/times/iso.ts';
import { DURATION_FORM, parseDuration } from '../lib/units.ts';

/** The flags of `tailrace gen` as Commander hands them over, each already read. */
export interface GenFlags {
  readonly format: 'combined' | 'common';
  readonly lines?: number;
  readonly rate?: number;
  readonly duration?: number;
  readonly seed: number;
  readonly start?: number | 'now';
  readonly span?: number;
  readonly late?: { readonly share: number; readonly ms: number };
  readonly dup?: number;
  readonly burst?: { readonly afterMs: number; readonly forMs: number };
  readonly paths: number;
  readonly clients: number;
  readonly output?: string;
  readonly truth?: string;
  readonly window: number;
  readonly outOfOrderness: number;
}

/** What is to be made, every default filled in. */
export interface GenPlan {
  readonly lines: GeneratorOptions;
  /** Infinite with a rate and no end. */
  readonly count: number;
  readonly ratePerSecond: number | undefined;
  readonly seed: number;
  readonly output: string | undefined;
  readonly truthFile: string | undefined;
  readonly truth: TruthOptions;
}

const LINES_DEFAULT = 1000;
const SPAN_MS_DEFAULT = 3_600_000;
const START_MS_DEFAULT = Date.UTC(2026, 0, 1);

/** Calls `fail` with one line where flags do not go together. */
export function planOf(flags: GenFlags, nowMs: number, fail: (message: string) => never): GenPlan {
  const { rate, duration, span } = flags;
  if (duration !== undefined && rate === undefined)
    fail('error: --duration needs --rate; a number of lines takes --span');
  if (span !== undefined && rate !== undefined)
    fail('error: --span goes without --rate, where event time is the time of day');
  const lines = flags.lines ?? (rate === undefined ? LINES_DEFAULT : Infinity);
  const inDuration = duration === undefined || rate === undefined ? Infinity : Math.floor((duration * rate) / 1000);
  const count = Math.min(lines, inDuration);
  const isFromNow = flags.start === 'now' || (flags.start === undefined && rate !== undefined);
  return {
    lines: {
      format: flags.format,
      startMs: isFromNow ? nowMs : typeof flags.start === 'number' ? flags.start : START_MS_DEFAULT,
      stepMs: rate === undefined ? (span ?? SPAN_MS_DEFAULT) / count : 1000 / rate,
      paths: flags.paths,
      clients: flags.clients,
      lateShare: flags.late?.share ?? 0,
      lateMs: flags.late?.ms ?? 0,
      dupShare: flags.dup ?? 0,
      ...(flags.burst === undefined ? {} : { burst: flags.burst }),
    },
    count,
    ratePerSecond: rate,
    seed: flags.seed,
    output: flags.output,
    truthFile: flags.truth,
    truth: { windowMs: flags.window, outOfOrdernessMs: flags.outOfOrderness },
  };
}

/** A reader of whole numbers in a range. */
export function count(min: number, max = Number.MAX_SAFE_INTEGER): (text: string) => number {
  return (text) => {
    const value = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN;
    if (value >= min && value <= max) return value;
    throw new InvalidArgumentError(
      `Expects a whole number from ${min}${max < Number.MAX_SAFE_INTEGER ? ` to ${max}` : ''}.`,
    );
  };
}

export function durationMs(text: string): number {
  const ms = parseDuration(text);
  if (ms === undefined || ms === 0) throw new InvalidArgumentError(`Expects ${DURATION_FORM}.`);
  return ms;
}

export function percentage(text: string): number {
  const share = /^\d{1,3}(\.\d{1,6})?%$/.test(text) ? Number(text.slice(0, -1)) / 100 : Number.NaN;
  if (share >= 0 && share <= 1) return share;
  throw new InvalidArgumentError('Expects a share from 0% to 100%, such as 5%.');
}

export function lateLines(text: string): { share: number; ms: number } {
  const [share, ms, ...rest] = text.split(':');
  if (share === undefined || ms === undefined || rest.length > 0) {
    throw new InvalidArgumentError('Expects a share and a duration, such as 5%:30s.');
  }
  return { share: percentage(share), ms: durationMs(ms) };
}

export function errorBurst(text: string): { afterMs: number; forMs: number } {
  const match = /^error@\+(\w+):(\w+)$/.exec(text);
  const afterMs = parseDuration(match?.[1] ?? '');
  const forMs = parseDuration(match?.[2] ?? '');
  if (afterMs !== undefined && forMs !== undefined) return { afterMs, forMs };
  throw new InvalidArgumentError('Expects when and how long, such as error@+20s:10s.');
}

export function startTime(text: string): number | 'now' {
  if (text === 'now') return text;
  const bytes = Buffer.from(text.length === 10 ? `${text}T00:00:00` : text);
  const timeMs = parseIsoTime(bytes, 0, bytes.length);
  if (!Number.isNaN(timeMs)) return timeMs;
  throw new InvalidArgumentError('Expects a time, such as 2026-01-01T00:00:00Z, or now.');
}
