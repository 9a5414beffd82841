import { parseDuration } from '../lib/units.ts';

/** ISO 8601, a day alone at its beginning; UTC where no zone is written. */
const ISO = /^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d{1,9})?)?(Z|[+-]\d\d:?\d\d)?)?$/;

/** Milliseconds of a written time; undefined where it is none. */
export function parseTimestamp(text: string): number | undefined {
  const match = ISO.exec(text);
  if (match === null) return undefined;
  const hasZone = match[4] !== undefined;
  const timeMs = Date.parse(match[1] === undefined || hasZone ? text : `${text}Z`);
  return Number.isNaN(timeMs) ? undefined : timeMs;
}

/** The year 1: further back no clock goes, and Elasticsearch takes no such time. */
export const MOMENT_MS_MIN = -62_135_596_800_000;

/** A moment as a person says it: `15m` is so long ago, `now`, or a written time. Undefined where it is none of these. */
export function parseMoment(text: string, nowMs: number): number | undefined {
  if (text === 'now') return nowMs;
  const agoMs = parseDuration(text.replace(/^-/, ''));
  return agoMs === undefined ? parseTimestamp(text) : nowMs - agoMs;
}
