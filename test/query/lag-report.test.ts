import { describe, expect, test } from '@jest/globals';
import type { LagLook, PartitionLag } from '../../src/query/lag.ts';
import { formatSeconds, groupLags, lagJson, lagText } from '../../src/query/lag-report.ts';

function lagOf(change: Partial<PartitionLag>): PartitionLag {
  return {
    group: 'pipeline.web',
    topic: 't.raw.access',
    stream: 'access',
    partition: 0,
    offset: 10,
    end: 12,
    messages: 2,
    lines: 1500,
    bytes: 2048,
    seconds: 2,
    isEstimated: false,
    reportedAtMs: 0,
    status: 'OK',
    completeness: 1,
    ...change,
  };
}
const lookOf = (...lags: PartitionLag[]): LagLook => ({ atMs: 1000, lags, offsets: [], checkpoints: [] });
const plain = (_status: string, text: string): string => text;

test('the table is aligned, numbers to the right, the status a word at the end', () => {
  const look = lookOf(
    lagOf({}),
    lagOf({ partition: 1, lines: 7, bytes: 100, status: 'STOP', seconds: 90 }),
    lagOf({ group: 'web.warehouse', topic: 't.epochs.web.access', lines: null, bytes: null, seconds: 0 }),
  );
  expect(lagText(look, plain)).toBe(
    `
GROUP          LINES    BYTES    BEHIND  STATUS
pipeline.web   1,507  2.1 KiB  1 m 30 s  ERR STOP in t.raw.access/1
web.warehouse      -        -       0 s  OK

GROUP          LINES  BYTES    BEHIND  OFFSET  END  PARTITION              STATUS
pipeline.web   1,500  2 KiB       2 s      10   12  t.raw.access/0         OK
pipeline.web       7  100 B  1 m 30 s      10   12  t.raw.access/1         STOP
web.warehouse      -      -       0 s      10   12  t.epochs.web.access/0  OK
`.trim(),
  );
});

test('colour underlines the word and never moves a column', () => {
  const look = lookOf(lagOf({ status: 'WARN' }));
  const painted = lagText(look, (status, text) => `<${status}>${text}</>`);
  expect(painted).toContain('<WARN>WARN</>');
  expect(painted.replaceAll(/<[^>]*>/g, '')).toBe(lagText(look, plain));
});

test('a table that is full says so, over all partitions', () => {
  const checkpoint = { possibleLossBytes: 0, possibleDoubleBytes: 0, stream: 'access', n: 1, appendedAtMs: 0 };
  const look = {
    ...lookOf(lagOf({})),
    checkpoints: [
      { ...checkpoint, partition: 0, otherLines: { traffic: 1000, clients: 0 } },
      { ...checkpoint, partition: 1, otherLines: { traffic: 234, clients: 0 } },
    ],
  };
  expect(lagText(look, plain).split('\n').at(-1)).toBe(
    'table traffic is full: 1,234 lines went into rows of other keys (is_other), since a window has as many keys as rows_max allows',
  );
  expect(lagJson(look)).toMatchObject({ fullTables: [{ rollup: 'traffic', lines: 1234 }] });
});

test('an estimate says so', () => {
  const text = lagText(lookOf(lagOf({ isEstimated: true })), plain);
  expect(text).toContain('~1,500');
  expect(text).toContain('~ estimated');
});

test('nobody reads', () => {
  expect(lagText(lookOf(), plain)).toBe('nobody reads these topics yet');
});

test('what a group is called cannot harm a terminal', () => {
  expect(lagText(lookOf(lagOf({ group: 'a\u001b[2Jb' })), plain)).not.toContain('\u001b');
});

describe('groups', () => {
  test('sum their partitions and name the worst', () => {
    const [group] = groupLags([
      lagOf({ seconds: 5 }),
      lagOf({ partition: 1, status: 'STALL', completeness: 0.5 }),
      lagOf({ partition: 2, status: 'WARN', seconds: 99 }),
    ]);
    expect(group).toEqual({
      group: 'pipeline.web',
      status: 'ERR',
      lines: 4500,
      bytes: 6144,
      messages: 6,
      seconds: 99,
      isEstimated: false,
      completeness: 2 / 3,
      worst: { topic: 't.raw.access', partition: 1, status: 'STALL' },
    });
  });

  test('what is not known of one partition is not known of the group', () => {
    expect(groupLags([lagOf({}), lagOf({ lines: null })])[0]!.lines).toBeNull();
  });

  test('as JSON', () => {
    expect(JSON.parse(JSON.stringify(lagJson(lookOf(lagOf({})))))).toMatchObject({
      at: '1970-01-01T00:00:01.000Z',
      groups: [{ group: 'pipeline.web', status: 'OK' }],
      partitions: [{ partition: 0, lines: 1500, reportedAt: '1970-01-01T00:00:00.000Z' }],
    });
  });
});

test.each([
  [0, '0 s'],
  [0.44, '0.4 s'],
  [9.94, '9.9 s'],
  [9.96, '10 s'],
  [59.7, '1 m'],
  [200, '3 m 20 s'],
  [7500, '2 h 5 m'],
  [86_400, '1 d'],
  [90_000, '1 d 1 h'],
])('%d seconds are %s', (seconds, text) => {
  expect(formatSeconds(seconds)).toBe(text);
});
