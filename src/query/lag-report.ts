import { escapeText } from '../lib/escape.ts';
import { formatSize } from '../lib/units.ts';
import type { LagLook, PartitionLag } from './lag.ts';
import { LAG_STATUSES, type LagStatus, groupStatus } from './lag-status.ts';

export interface GroupLag {
  readonly group: string;
  /** OK, WARN or ERR: the worst of its partitions. */
  readonly status: LagStatus;
  /** Sums over its partitions; null where one of them is not known. */
  readonly lines: number | null;
  readonly bytes: number | null;
  readonly messages: number;
  /** Of the partition that is furthest behind. */
  readonly seconds: number;
  readonly isEstimated: boolean;
  /** Share of its partitions whose status window is full. */
  readonly completeness: number;
  /** The partition whose status is the worst, then the one that is furthest behind. */
  readonly worst: { readonly topic: string; readonly partition: number; readonly status: LagStatus };
}

/** One entry a group, in the order of their names. */
export function groupLags(lags: readonly PartitionLag[]): GroupLag[] {
  return [...Map.groupBy(lags, ({ group }) => group)].map(([group, partitions]) => {
    const { topic, partition, status } = partitions.reduce((worst, one) => (isWorse(one, worst) ? one : worst));
    return {
      group,
      status: groupStatus(partitions.map((one) => one.status)),
      lines: sumOf(partitions.map((one) => one.lines)),
      bytes: sumOf(partitions.map((one) => one.bytes)),
      messages: partitions.reduce((sum, one) => sum + one.messages, 0),
      seconds: Math.max(...partitions.map((one) => one.seconds)),
      isEstimated: partitions.some((one) => one.isEstimated),
      completeness: partitions.filter((one) => one.completeness >= 1).length / partitions.length,
      worst: { topic, partition, status },
    };
  });
}

function isWorse(one: PartitionLag, other: PartitionLag): boolean {
  const order = LAG_STATUSES.indexOf(one.status) - LAG_STATUSES.indexOf(other.status);
  return order === 0 ? one.seconds > other.seconds : order > 0;
}

function sumOf(values: readonly (number | null)[]): number | null {
  return values.reduce<number | null>((sum, value) => (sum === null || value === null ? null : sum + value), 0);
}

/** For programs: times as ISO 8601, all else as it is. */
export function lagJson(look: LagLook): object {
  const { atMs, lags } = look;
  return {
    at: new Date(atMs).toISOString(),
    groups: groupLags(lags),
    fullTables: fullTables(look),
    partitions: lags.map(({ reportedAtMs, ...lag }) => ({ ...lag, reportedAt: new Date(reportedAtMs).toISOString() })),
  };
}

export type StatusPainter = (status: LagStatus, text: string) => string;

const NUMBER = new Intl.NumberFormat('en');

/** Tables with fewer rows than keys, and the lines of the keys that have none, over all partitions. */
function fullTables({ checkpoints }: LagLook): { readonly rollup: string; readonly lines: number }[] {
  const lines = new Map<string, number>();
  for (const { otherLines } of checkpoints)
    for (const [rollup, more] of Object.entries(otherLines)) lines.set(rollup, (lines.get(rollup) ?? 0) + more);
  return [...lines].filter(([, count]) => count > 0).map(([rollup, count]) => ({ rollup, lines: count }));
}

/** For people: the groups, then what is behind them. The status is a word; colour only underlines it. */
export function lagText(look: LagLook, paint: StatusPainter): string {
  const { lags } = look;
  if (lags.length === 0) return 'nobody reads these topics yet';
  const groups = groupLags(lags);
  const groupRows = groups.map(({ group, lines, bytes, seconds, isEstimated, worst, status }) => ({
    status,
    cells: [
      escapeText(group),
      ...amounts(lines, bytes, seconds, isEstimated),
      status === 'OK' ? status : `${status} ${worst.status} in ${escapeText(worst.topic)}/${worst.partition}`,
    ],
  }));
  const partitionRows = lags.map(({ group, topic, partition, offset, end, lines, bytes, ...lag }) => ({
    status: lag.status,
    cells: [
      escapeText(group),
      ...amounts(lines, bytes, lag.seconds, lag.isEstimated),
      NUMBER.format(offset),
      NUMBER.format(end),
      `${escapeText(topic)}/${partition}`,
      lag.status,
    ],
  }));
  return [
    table(['GROUP', 'LINES', 'BYTES', 'BEHIND', 'STATUS'], [1, 2, 3], groupRows, paint),
    table(
      ['GROUP', 'LINES', 'BYTES', 'BEHIND', 'OFFSET', 'END', 'PARTITION', 'STATUS'],
      [1, 2, 3, 4, 5],
      partitionRows,
      paint,
    ),
    ...(lags.some(({ isEstimated }) => isEstimated)
      ? ['~ estimated: there was no time to read every header; it is exact once they are read (--watch goes on)']
      : []),
    ...fullTables(look).map(
      ({ rollup, lines }) =>
        `table ${rollup} is full: ${NUMBER.format(lines)} lines went into rows of other keys (is_other), since a window has as many keys as rows_max allows`,
    ),
  ].join('\n\n');
}

function amounts(lines: number | null, bytes: number | null, seconds: number, isEstimated: boolean): string[] {
  const about = isEstimated ? '~' : '';
  return [
    lines === null ? '-' : about + NUMBER.format(lines),
    bytes === null ? '-' : about + formatSize(bytes),
    formatSeconds(seconds),
  ];
}

/** `0 s`, `0.4 s`, `12 s`, `3 m 20 s`, `2 h 5 m`: two units, and tenths only below ten seconds. */
export function formatSeconds(seconds: number): string {
  if (seconds < 9.95) return `${Number(seconds.toFixed(1))} s`;
  const whole = Math.round(seconds);
  const parts = [
    [Math.floor(whole / 86_400), 'd'],
    [Math.floor(whole / 3600) % 24, 'h'],
    [Math.floor(whole / 60) % 60, 'm'],
    [whole % 60, 's'],
  ] as const;
  const first = parts.findIndex(([value]) => value > 0);
  return parts
    .slice(first, first + 2)
    .filter(([value]) => value > 0)
    .map(([value, unit]) => `${value} ${unit}`)
    .join(' ');
}

interface TableRow {
  readonly status: LagStatus;
  readonly cells: readonly string[];
}

/** The last column is the status, and is painted. */
function table(
  head: readonly string[],
  numbers: readonly number[],
  rows: readonly TableRow[],
  paint: StatusPainter,
): string {
  const widths = head.map((title, i) => Math.max(title.length, ...rows.map(({ cells }) => cells[i]!.length)));
  const aligned = (cells: readonly string[]): string[] =>
    cells.map((cell, i) => (numbers.includes(i) ? cell.padStart(widths[i]!) : cell.padEnd(widths[i]!)));
  const line = (cells: readonly string[], last: string): string => [...cells.slice(0, -1), last].join('  ').trimEnd();
  return [
    line(aligned(head), head.at(-1)!),
    ...rows.map(({ status, cells }) => line(aligned(cells), paint(status, cells.at(-1)!))),
  ].join('\n');
}
