import { afterEach, describe, expect, test } from '@jest/globals';
import { Marks, type Verdict } from '../../src/engine/marks.ts';
import { setMutant } from '../../src/lib/mutant.ts';
import { type Beat, type SourceReport, decodeBeat } from '../../src/record/beat.ts';
import { type BlockHeader, decodeBlockHeader } from '../../src/record/block.ts';
import { TestFile, beatMessage } from '../support/raw-stream.ts';

afterEach(() => setMutant(undefined));

const LINES = ['1 a 1', '2 b 2', '3 c 3', '4 d 4'];

function headerOf(file: TestFile, from: number, to: number, more: Partial<BlockHeader> = {}): BlockHeader {
  return decodeBlockHeader(file.block(file.at(from), file.at(to), more).header);
}

/** Judges a block, and moves the mark if it counts: how much of it was new, or why none. */
function take(marks: Marks, header: BlockHeader): number | string {
  const verdict: Verdict = marks.judge(header);
  if (verdict.type === 'refused') return verdict.reason;
  if (verdict.type !== 'counts') return verdict.type;
  marks.advance(verdict.mark, header, { eventTimeMsMax: -Infinity });
  return header.end - verdict.from;
}

let beats = 0;
function say(marks: Marks, sources: readonly SourceReport[], more: Partial<Beat> = {}): string[] {
  return marks.beat(decodeBeat(beatMessage(1000 * ++beats, sources, more).header), 50 + beats, 0);
}

describe('the block rule', () => {
  test('takes blocks in a row, and each byte once, whatever the boundaries', () => {
    const [marks, file] = [new Marks(), new TestFile('a/1', LINES)];
    const sizes = [
      headerOf(file, 0, 2),
      headerOf(file, 0, 2),
      headerOf(file, 0, 1),
      headerOf(file, 1, 3),
      headerOf(file, 0, 4),
    ];
    expect(sizes.map((header) => take(marks, header))).toEqual([12, 'duplicate', 'duplicate', 6, 6]);
    expect(marks.sources.get('a/1')).toMatchObject({ position: file.end, tail: file.tail(file.end), state: 'reading' });
  });

  test('begins a new source at its origin, never at its first block', () => {
    const [marks, file] = [new Marks(), new TestFile('a/1', LINES)];
    expect(take(marks, headerOf(file, 1, 2))).toBe('gap');
    expect(marks.sources.get('a/1')).toMatchObject({ position: 0, state: 'gap', gapEnd: file.at(1) });
    const late = new TestFile('b/1', LINES, 300);
    expect(take(marks, headerOf(late, 0, 2))).toBe(12);
  });

  test('stops at a gap until the bytes have come; what comes again from the mark fills it', () => {
    const [marks, file] = [new Marks(), new TestFile('a/1', LINES)];
    expect([
      take(marks, headerOf(file, 0, 1)),
      take(marks, headerOf(file, 2, 3)),
      take(marks, headerOf(file, 3, 4)),
    ]).toEqual([6, 'gap', 'gap']);
    expect(marks.sources.get('a/1')).toMatchObject({ position: 6, state: 'gap', gapEnd: file.at(3) });
    expect(take(marks, headerOf(file, 1, 2))).toBe(6);
    expect(marks.sources.get('a/1')).toMatchObject({ state: 'gap' });
    expect(take(marks, headerOf(file, 1, 4))).toBe(12);
    expect(marks.sources.get('a/1')).toMatchObject({ position: file.end, state: 'reading', gapEnd: null });
  });

  test('knows a hole the agent left from one it did not: prev below the mark, start above it', () => {
    const [marks, file] = [new Marks(), new TestFile('a/1', LINES)];
    take(marks, headerOf(file, 0, 1));
    expect(take(marks, headerOf(file, 2, 3, { prev: file.at(1) }))).toBe(6);
    expect(marks.sources.get('a/1')?.position).toBe(file.at(3));
  });

  test('refuses another identity, and another tail where the block begins at the mark', () => {
    const [marks, file] = [new Marks(), new TestFile('a/1', LINES)];
    take(marks, headerOf(file, 0, 2));
    expect(take(marks, headerOf(file, 2, 3, { identity: 'another' }))).toBe('wrong_identity');
    expect(take(marks, headerOf(file, 2, 3, { tail: 'another' }))).toBe('wrong_tail');
    expect(take(marks, headerOf(file, 1, 3, { tail: 'cannot be known' }))).toBe(6);
  });

  test('takes a source without a mark as new only above the highest of its agent that was forgotten', () => {
    const marks = new Marks();
    const [three, five, six] = [3, 5, 6].map((number) => new TestFile(`a/${number}`, LINES));
    expect(take(marks, headerOf(five!, 0, 4))).toBe(24);
    say(marks, [five!.report('forgotten', five!.end)]);
    const { sources, agents } = marks.takeChanges();
    const restored = new Marks();
    restored.restore(sources, agents);
    for (const reader of [marks, restored]) {
      expect([three, five].map((file) => take(reader, headerOf(file!, 0, 1)))).toEqual([
        'forgotten_source',
        'forgotten_source',
      ]);
      expect(take(reader, headerOf(six!, 0, 1))).toBe(6);
      expect(take(reader, headerOf(new TestFile('b/3', LINES), 0, 1))).toBe(6);
    }
  });

  test('compares no tail below an origin before the agent has told it, and does from then on', () => {
    const [marks, file] = [new Marks(), new TestFile('a/1', LINES, 100)];
    expect(take(marks, headerOf(file, 0, 1))).toBe(6);
    const told = new Marks();
    say(told, [file.report('announced')]);
    expect(take(told, headerOf(file, 0, 1, { tail: 'another' }))).toBe('wrong_tail');
    expect(take(told, headerOf(file, 0, 1))).toBe(6);
  });

  test.each([
    [
      'block.no_high_water_mark',
      [
        [0, 2],
        [0, 2],
      ],
      [12, 12],
    ],
    [
      'block.no_prev',
      [
        [0, 1],
        [2, 3],
      ],
      [6, 6],
    ],
    [
      'block.any_first_block',
      [
        [1, 2],
        [2, 3],
      ],
      [6, 6],
    ],
  ] as const)('is what the mutant %s breaks', (mutant, ranges, taken) => {
    setMutant(mutant);
    const [marks, file] = [new Marks(), new TestFile('a/1', LINES)];
    expect(ranges.map(([from, to]) => take(marks, headerOf(file, from, to)))).toEqual(taken);
  });
});

describe('a beat', () => {
  test('announces sources in any order, and over parts in rising order', () => {
    const marks = new Marks();
    const [one, two, three] = [1, 2, 3].map((number) => new TestFile(`a/${number}`, LINES));
    say(marks, [two!.report('announced'), one!.report('announced')], { part: 0, parts: 2 });
    expect(marks.agents.get('a')).toMatchObject({ numberMax: 2, tMs: 0 });
    say(marks, [three!.report('announced')], { part: 1, parts: 2 });
    expect([...marks.sources.keys()].sort()).toEqual(['a/1', 'a/2', 'a/3']);
    expect(marks.agents.get('a')?.tMs).toBe(1000 * beats);
  });

  test('says something only of the position where the reader stands', () => {
    const [marks, file] = [new Marks(), new TestFile('a/1', LINES)];
    say(marks, [file.report('announced')]);
    take(marks, headerOf(file, 0, 2));
    say(marks, [file.report('caught_up', file.at(1))]);
    expect(marks.sources.get('a/1')?.state).toBe('reading');
    say(marks, [file.report('closed', file.at(2), { sum: { lines: 2, a: 1, b: 2 } })]);
    expect(marks.sources.get('a/1')).toMatchObject({ state: 'closed', agentSum: { lines: 2 } });
  });

  test('beyond the mark is a gap: the log has lost what it acknowledged', () => {
    const [marks, file] = [new Marks(), new TestFile('a/1', LINES)];
    say(marks, [file.report('caught_up', file.end)]);
    expect(marks.sources.get('a/1')).toMatchObject({ state: 'gap', position: 0, gapEnd: file.end });
    setMutant('beat.position_ignored');
    const blind = new Marks();
    say(blind, [file.report('caught_up', file.end)]);
    expect(blind.sources.get('a/1')?.state).toBe('caught_up');
  });

  test('does not end a gap, whatever it calls the source', () => {
    const [marks, file] = [new Marks(), new TestFile('a/1', LINES)];
    take(marks, headerOf(file, 0, 1));
    take(marks, headerOf(file, 2, 3));
    for (const state of ['caught_up', 'closed', 'reading'] as const) {
      say(marks, [file.report(state, file.at(1))]);
      expect(marks.sources.get('a/1')).toMatchObject({ state: 'gap', gapEnd: file.at(2) });
    }
    take(marks, headerOf(file, 1, 4));
    say(marks, [file.report('closed', file.end)]);
    expect(marks.sources.get('a/1')?.state).toBe('closed');
  });

  test('forgets a source, and its number with it is never new again', () => {
    const [marks, file] = [new Marks(), new TestFile('a/1', LINES)];
    take(marks, headerOf(file, 0, 4));
    expect(say(marks, [file.report('forgotten', file.end)])).toEqual(['a/1']);
    expect(marks.takeChanges().sources).toMatchObject([{ source: 'a/1', state: 'forgotten' }]);
    expect(take(marks, headerOf(file, 0, 4))).toBe('forgotten_source');
    expect(say(marks, [file.report('announced')])).toEqual([]);
    expect(marks.sources.size).toBe(0);
  });

  test('of a cloned agent says nothing of the source it confuses', () => {
    const [marks, file] = [new Marks(), new TestFile('a/1', LINES)];
    take(marks, headerOf(file, 0, 1));
    say(marks, [file.report('closed', file.at(1), { identity: 'another' })]);
    expect(marks.sources.get('a/1')?.state).toBe('reading');
  });

  test('that says something new of a source is worth an epoch, one that repeats itself is not', () => {
    const [marks, file] = [new Marks(), new TestFile('a/1', LINES)];
    say(marks, [file.report('announced')]);
    expect([marks.hasSourceChanges, marks.takeChanges().sources.length]).toEqual([true, 1]);
    say(marks, [file.report('announced')]);
    expect(marks.hasSourceChanges).toBe(false);
    const news: Partial<SourceReport>[] = [
      { quietSinceMs: 7 },
      { path: '/other' },
      { possibleLossBytes: 3 },
      { sum: { lines: 0, a: 0, b: 0 } },
    ];
    for (const change of news) {
      say(marks, [file.report('announced', 0, change)]);
      expect([change, marks.hasSourceChanges]).toEqual([change, true]);
      marks.takeChanges();
      say(marks, [file.report('announced', 0, change)]);
      marks.takeChanges();
    }
  });

  test('in full is where raw is kept from, unless it came late', () => {
    const marks = new Marks();
    const full = { isFull: true, part: 1, parts: 2 };
    say(marks, [], full);
    const offset = 50 + beats;
    expect(marks.agents.get('a')?.fullBeatOffset).toBe(offset - 1);
    marks.beat(decodeBeat(beatMessage(1, [], full).header), 900, 0);
    expect(marks.agents.get('a')?.fullBeatOffset).toBe(offset - 1);
  });
});

describe('a declared loss', () => {
  test('moves the mark from where it stands, and ends the gap', () => {
    const [marks, file] = [new Marks(), new TestFile('a/1', LINES)];
    take(marks, headerOf(file, 0, 1));
    take(marks, headerOf(file, 2, 3));
    const loss = { type: 'declared_loss', source: 'a/1', from: 6, to: 12, tail: file.tail(12) } as const;
    expect([marks.declareLoss({ ...loss, from: 0 }), marks.declareLoss({ ...loss, source: 'a/2' })]).toEqual([0, 0]);
    expect(marks.declareLoss({ ...loss, to: 6 })).toBe(0);
    expect(marks.declareLoss(loss)).toBe(6);
    expect(marks.sources.get('a/1')).toMatchObject({ state: 'reading', gapEnd: null });
    expect([marks.declareLoss(loss), take(marks, headerOf(file, 2, 3))]).toEqual([0, 6]);
  });
});

describe('a reader of a trimmed log', () => {
  test('skips an agent up to its first full beat, and takes its marks from there', () => {
    const [marks, file, next] = [new Marks(), new TestFile('a/4', LINES), new TestFile('a/9', LINES)];
    marks.historyFrom = 40;
    expect(take(marks, headerOf(file, 1, 2))).toBe('before_history');
    say(marks, [file.report('reading', file.at(2))]);
    expect([marks.agents.size, take(marks, headerOf(file, 2, 3))]).toEqual([0, 'before_history']);
    say(marks, [file.report('reading', file.at(3))], { isFull: true, part: 0, parts: 2 });
    say(marks, [next.report('announced')], { isFull: true, part: 1, parts: 2 });
    expect(marks.sources.get('a/4')).toMatchObject({ origin: file.at(3), position: file.at(3) });
    expect([
      take(marks, headerOf(file, 2, 3)),
      take(marks, headerOf(file, 3, 4)),
      take(marks, headerOf(next, 0, 1)),
    ]).toEqual(['duplicate', 6, 6]);
    expect(take(marks, headerOf(new TestFile('b/1', LINES), 0, 1))).toBe('before_history');
  });
});
