// The rules of windows and sessions one by one, as Flink and Kafka Streams have them where both agree, and ours where they do not.
import { describe, expect, test } from '@jest/globals';
import { COMPONENTS } from '../../src/components.ts';
import type { WindowSpec } from '../../src/epoch/pipeline.ts';
import { type TestLine, offsetOf } from '../support/operator-runs.ts';
import { TableRun } from '../support/table-run.ts';

const FIELDS = [{ name: 'user', type: 'keyword' }] as const;
const TUMBLING = { type: 'tumbling', sizeMs: 10, offsetMs: 0 };
const SESSION = { type: 'session', gapMs: 5, lengthMsMax: null };
const SLIDING = { type: 'sliding', sizeMs: 10, slideMs: 5 };

/** A line, and the watermark just before it; `undefined` is before the first one. */
type Line = readonly [timeMs: number, watermarkMs?: number];

interface Told {
  /** start, end, lines, revision of each row, in the order of their starts. */
  readonly rows: readonly (readonly number[])[];
  /** Numbers of the lines that missed a window. */
  readonly late: readonly number[];
}

/** What a sink has after the lines, with an epoch behind each where `epochs` says so; and what it has when `endMs` has passed. */
function told(
  window: WindowSpec,
  lines: readonly Line[],
  { latenessMs = 0, epochs = true, endMs = -Infinity } = {},
): Told {
  const measures = [{ name: 'events', aggregate: 'count' }];
  const by = [{ field: 'user', type: 'keyword', column: 'user' }] as const;
  const spec = { from: 's', by, window, allowedLatenessMs: latenessMs, rowsMax: 100, measures };
  const run = new TableRun(COMPONENTS.operators[window.type]!, { spec, fields: FIELDS });
  const given = lines.map(([timeMs, watermarkMs = -Infinity]): TestLine => ({ timeMs, cells: ['a'], watermarkMs }));
  for (const [i, line] of given.entries()) {
    run.operator.onWatermark(line.watermarkMs);
    run.process([line], i);
    if (epochs) run.checkpoint(false, line.watermarkMs, false);
  }
  run.operator.onWatermark(endMs);
  run.checkpoint(false, Math.max(endMs, given.at(-1)!.watermarkMs), false);
  const rows = run
    .rowsOf('table')
    .map((row) => ['window_start', 'window_end', 'lines', 'revision'].map((name) => Number(row[name])));
  const offsets = given.map((_, i) => i);
  const late = offsets.filter((i) => run.late.some(({ offset }) => offset === offsetOf(i)));
  return { rows: rows.sort(([a], [b]) => a! - b!), late };
}

describe('1 windows', () => {
  test.each<[string, WindowSpec, readonly Line[], Told]>([
    [
      '1.1 [start, end): the end belongs to the next one',
      TUMBLING,
      [[0], [9], [10]],
      {
        rows: [
          [0, 10, 2, 0],
          [10, 20, 1, 0],
        ],
        late: [],
      },
    ],
    [
      '1.1 before 1970 as after it',
      TUMBLING,
      [[-1], [-10], [-11]],
      {
        rows: [
          [-20, -10, 1, 0],
          [-10, 0, 2, 0],
        ],
        late: [],
      },
    ],
    [
      '1.1 an offset moves every window',
      { ...TUMBLING, offsetMs: 3 } as WindowSpec,
      [[2], [3]],
      {
        rows: [
          [-7, 3, 1, 0],
          [3, 13, 1, 0],
        ],
        late: [],
      },
    ],
    [
      '1.2, 1.5 closed by the watermark of its last millisecond',
      TUMBLING,
      [[0], [1, 8], [2, 9]],
      { rows: [[0, 10, 2, 0]], late: [2] },
    ],
  ])('%s', (_rule, window, lines, expected) => {
    expect(told(window, lines)).toEqual(expected);
  });

  test('1.4 what a window says carries its end less a millisecond: windows of one size over it are the same', () => {
    const [row] = told(TUMBLING, [[3], [4]], { endMs: 9 }).rows;
    expect(told(TUMBLING, [[row![1]! - 1]]).rows[0]!.slice(0, 2)).toEqual(row!.slice(0, 2));
  });

  test('1.5, 1.6 late but allowed: the row comes again whole, and one millisecond later it is late', () => {
    const lines: readonly Line[] = [[0], [1, 9], [2, 11], [3, 12]];
    expect(told(TUMBLING, lines, { latenessMs: 3 })).toEqual({ rows: [[0, 10, 3, 2]], late: [3] });
  });

  test('1.7 a line that overlapping windows took in part is told of with what it missed', () => {
    // [−5, 5) is closed by 4, [0, 10) is not.
    expect(told(SLIDING, [[4, 4]], { endMs: 9 })).toEqual({ rows: [[0, 10, 1, 0]], late: [0] });
    expect(told(SLIDING, [[4, 3]], { endMs: 9 })).toEqual({
      rows: [
        [-5, 5, 1, 0],
        [0, 10, 1, 0],
      ],
      late: [],
    });
    expect(told(SLIDING, [[4, 9]], { endMs: 20 })).toEqual({ rows: [], late: [0] });
  });
});

describe('2 sessions', () => {
  test.each<[string, readonly Line[], Told]>([
    ['2.1 touching is one', [[0], [5]], { rows: [[0, 10, 2, 0]], late: [] }],
    [
      '2.1 a millisecond more is two',
      [[0], [6]],
      {
        rows: [
          [0, 5, 1, 0],
          [6, 11, 1, 0],
        ],
        late: [],
      },
    ],
    ['2.2 its end is its last event and the gap', [[3], [1]], { rows: [[1, 8, 2, 0]], late: [] }],
    ['2.3 a late line that joins an open one is taken', [[0], [3, 3], [-2, 4]], { rows: [[-2, 8, 3, 0]], late: [] }],
    ['2.3 alone it is late', [[20], [0, 15]], { rows: [[20, 25, 1, 0]], late: [1] }],
    ['2.4 a line between two joins them', [[0], [10], [5]], { rows: [[0, 15, 3, 0]], late: [] }],
    ['2.6 the example of Kafka Streams', [[10], [12], [20], [16]], { rows: [[10, 25, 4, 0]], late: [] }],
  ])('%s', (_rule, lines, expected) => {
    expect(told(SESSION, lines)).toEqual(expected);
    expect(told(SESSION, lines, { epochs: false })).toEqual(expected);
  });

  test('2.5 sessions that had fired and are joined are one row, told again, and the others are gone', () => {
    const lines: readonly Line[] = [[0], [10], [5, 14]];
    expect(told(SESSION, lines, { latenessMs: 100 })).toEqual({ rows: [[0, 15, 3, 1]], late: [] });
    expect(told(SESSION, [...lines, [6, 20]], { latenessMs: 100 }).rows).toEqual([[0, 15, 4, 2]]);
  });

  test('2.7 late by its own end and the lateness, whatever it might have joined', () => {
    expect(told(SESSION, [[0], [20, 11], [4, 11]], { latenessMs: 3 })).toEqual({
      rows: [
        [0, 5, 1, 0],
        [20, 25, 1, 0],
      ],
      late: [2],
    });
  });

  test('2.8 nothing is left behind, and what was due while nobody ran is closed at the restart', () => {
    const spec = { from: 's', by: [], window: SESSION as WindowSpec, allowedLatenessMs: 0, rowsMax: 100, measures: [] };
    const run = new TableRun(COMPONENTS.operators['session']!, { spec, fields: FIELDS });
    run.process([{ timeMs: 0, cells: ['a'], watermarkMs: -Infinity }], 0);
    run.checkpoint(true, -Infinity, true);
    expect(run.operator.lastTimerMs()).toBe(4);
    run.checkpoint(false, 4, true);
    expect([run.operator.lastTimerMs(), run.openRows('table').size]).toEqual([-Infinity, 0]);
    expect(run.rowsOf('table')).toHaveLength(1);
  });
});
