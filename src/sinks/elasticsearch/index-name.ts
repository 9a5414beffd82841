import { DAY_MS, dateOfDay } from '../../lib/utc-date.ts';

/** Lines of more days before share an index a month, so that a log of ten years does not make thousands of indices. */
const DAILY_DAYS = 30;
/** Of still more days, all share one. */
const MONTHLY_DAYS = 365;

export interface IndexOptions {
  readonly prefix: string;
  readonly stream: string;
  /** Of the stream's codec and event time: another one reads other times or types from the same lines, and gets indices of its own. */
  readonly generation: number;
}

/**
 * The index of a line: `tailrace-access-2026.11.26`, `…-2026.10` when the line was more than 30 days old as it was read, `…-old` beyond a
 * year; from the second generation on with its number behind it, `…-2026.11.26-g2`. An id is unique in one index only, so a line must never
 * get another one: this is a function of the UTC day of its event time and of `read_at` of the block it counts from. The block rule makes
 * that the first block in the log's order that holds the line, whatever the agent sends again later.
 */
export function indexName({ prefix, stream, generation }: IndexOptions, eventDay: number, readDay: number): string {
  return `${prefix}-${stream}-${periodOf(eventDay, readDay)}${generation > 1 ? `-g${generation}` : ''}`;
}

/** The UTC day of a time, counted from 1970-01-01. */
export function dayOf(timeMs: number): number {
  return Math.floor(timeMs / DAY_MS);
}

function periodOf(eventDay: number, readDay: number): string {
  const ageDays = readDay - eventDay;
  if (ageDays > MONTHLY_DAYS) return 'old';
  const { year, month, day } = dateOfDay(eventDay);
  const text = `${padded(year, 4)}.${padded(month, 2)}`;
  return ageDays > DAILY_DAYS ? text : `${text}.${padded(day, 2)}`;
}

/** The day's index of lines that became no document. */
export function deadLetterIndex(prefix: string, readAtMs: number): string {
  return `${prefix}-dead-letters-${periodOf(dayOf(readAtMs), dayOf(readAtMs))}`;
}

export interface NamedIndex {
  /** Everything in it is of a time before this, in milliseconds; −Infinity where the name does not say. */
  readonly endMs: number;
  readonly generation: number;
}

/** What the name of a stream's index says, or undefined when it is none of that stream's. */
export function parseIndexName(
  name: string,
  { prefix, stream }: Omit<IndexOptions, 'generation'>,
): NamedIndex | undefined {
  const begin = `${prefix}-${stream}-`;
  if (!name.startsWith(begin)) return undefined;
  const match = /^(?:(\d{4})\.(\d\d)(?:\.(\d\d))?|old)(?:-g(\d+))?$/.exec(name.slice(begin.length));
  if (match === null) return undefined;
  const [, year, month, day, generation] = match;
  const endMs =
    year === undefined
      ? -Infinity
      : day === undefined
        ? Date.UTC(Number(year), Number(month))
        : Date.UTC(Number(year), Number(month) - 1, Number(day) + 1);
  return { endMs, generation: Number(generation ?? 1) };
}

/**
 * The indices of `streams`, of all that a sink documents: a pattern, which leaves out what is known to be of others, so that it is not read,
 * and who has the last word, since `tailrace-web-*` is the pattern of `web-api`, too, and `tailrace-dead-*` that of dead letters.
 */
export function streamIndices(
  prefix: string,
  documents: readonly string[],
  streams: readonly string[],
): { readonly index: string; readonly isIndex: (name: string) => boolean } {
  const isBelow = (name: string, stream: string): boolean => name.startsWith(`${stream}-`);
  const others = [...documents, 'dead-letters'].filter(
    (other) =>
      streams.some((stream) => isBelow(other, stream)) &&
      !streams.some((stream) => stream === other || isBelow(stream, other)),
  );
  return {
    index: [
      ...streams.map((stream) => `${prefix}-${stream}-*`),
      ...others.map((other) => `-${prefix}-${other}-*`),
    ].join(','),
    isIndex: (name) => streams.some((stream) => parseIndexName(name, { prefix, stream }) !== undefined),
  };
}

function padded(value: number, digits: number): string {
  return String(value).padStart(digits, '0');
}
