// Measures with sketches, and what plain code makes of the values of a row: all of them in a list.
import type { MeasureSpec } from '../../src/epoch/table.ts';

export const SKETCH_FIELDS = [
  { name: 'user', type: 'keyword' },
  { name: 'page', type: 'keyword' },
  { name: 'took', type: 'long' },
] as const;

export interface SketchLine {
  readonly timeMs: number;
  readonly user: string | null;
  readonly page: string | null;
  readonly took: number | null;
}

export type PlainResult = number | string | null;

interface PlainMeasure {
  readonly spec: Omit<MeasureSpec, 'name'>;
  /** Of the lines of a row, in the order of the log. */
  readonly of: (lines: readonly SketchLine[]) => PlainResult;
}

const there = <T>(values: readonly (T | null)[]): T[] => values.filter((value) => value !== null);

const PAGE = { field: 'page', fieldType: 'keyword' } as const;
const TOOK = { field: 'took', fieldType: 'long' } as const;

export const PLAIN: Readonly<Record<string, PlainMeasure>> = {
  requests: { spec: { aggregate: 'count' }, of: (lines) => lines.length },
  pages: {
    spec: { aggregate: 'distinct', ...PAGE },
    of: (lines) => new Set(there(lines.map(({ page }) => page))).size,
  },
  took_sum: {
    spec: { aggregate: 'sum', ...TOOK },
    of: (lines) => there(lines.map(({ took }) => took)).reduce<number | null>((sum, took) => (sum ?? 0) + took, null),
  },
  low: { spec: { aggregate: 'quantile', ...TOOK, parameter: 0.1 }, of: (lines) => quantileOf(lines, 0.1) },
  median: {
    spec: { aggregate: 'quantile', ...TOOK, parameter: 0.5, sketchOf: 'low' },
    of: (lines) => quantileOf(lines, 0.5),
  },
  first_page: {
    spec: { aggregate: 'first', ...PAGE },
    of: (lines) => byTime(lines.filter(({ page }) => page !== null))[0]?.page ?? null,
  },
  top_pages: {
    spec: { aggregate: 'top', ...PAGE, parameter: 2 },
    of: (lines) => {
      const groups = Map.groupBy(there(lines.map(({ page }) => page)), (page) => JSON.stringify(page));
      const counts = [...groups].map(([json, all]): [string, number] => [json, all.length]);
      counts.sort(([a, n], [b, m]) => m - n || Buffer.compare(Buffer.from(a), Buffer.from(b)));
      return `[${counts
        .slice(0, 2)
        .map(([json, count]) => `{"value":${json},"count":${count}}`)
        .join(',')}]`;
    },
  },
  last_took: {
    spec: { aggregate: 'last', ...TOOK },
    of: (lines) => byTime(lines.filter(({ took }) => took !== null)).at(-1)?.took ?? null,
  },
  times: {
    spec: { aggregate: 'distinct', ...TOOK },
    of: (lines) => new Set(there(lines.map(({ took }) => took))).size,
  },
};

/** Of one time: in the order of the log. */
function byTime(lines: readonly SketchLine[]): SketchLine[] {
  return lines.toSorted((a, b) => a.timeMs - b.timeMs);
}

/** As a sketch says it: what the bucket of the value is taken for. */
function quantileOf(lines: readonly SketchLine[], q: number): number | null {
  const sorted = there(lines.map(({ took }) => took)).sort((a, b) => a - b);
  if (sorted.length === 0) return null;
  const value = sorted[Math.floor(q * (sorted.length - 1))]!;
  const gamma = 1.01 / 0.99;
  return value === 0
    ? 0
    : (Math.sign(value) * 2 * gamma ** Math.ceil(Math.log(Math.abs(value)) / Math.log(gamma))) / (gamma + 1);
}

export const SKETCH_MEASURES: readonly MeasureSpec[] = Object.entries(PLAIN).map(([name, { spec }]) => ({
  name,
  ...spec,
}));

/** As `found` has it: exact, but for the last digits of what is rounded. */
export function plainResults(lines: readonly SketchLine[]): PlainResult[] {
  return Object.values(PLAIN).map(({ of }) => shown(of(lines)));
}

export function shown(value: unknown): PlainResult {
  if (typeof value === 'bigint') return Number(value);
  return typeof value === 'number' ? Number(value.toPrecision(9)) : (value as PlainResult);
}
