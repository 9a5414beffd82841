import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { LinesRead } from '../../../src/agent/block-reader.ts';
import { BLOCK_ROOM_BYTES } from '../../../src/agent/limits.ts';
import { PartitionFeed } from '../../../src/agent/topics/partition-feed.ts';
import { RecordFraming } from '../../../src/agent/topics/record-framing.ts';
import { TrackedPartition } from '../../../src/agent/topics/tracked-partition.ts';
import { newEntry } from '../../../src/agent/tracked-source.ts';
import { EMPTY_TAIL } from '../../../src/record/source.ts';
import { type SampleBatch, encodeBatch, encodeMarker } from '../../support/record-batches.ts';

const NAME = { clusterId: 'c', topic: 'orders', topicId: 'aa', partition: 0 };
const FRAMING = new RecordFraming({
  envelope: 'none',
  isJson: false,
  topic: 'orders',
  partition: 0,
  lineBytesMax: 1000,
});
const room = Buffer.alloc(BLOCK_ROOM_BYTES);

interface Transaction {
  readonly producerId: number;
  readonly firstOffset: number;
  readonly markerOffset: number;
}

/** A partition of a broker: batches in order, and what it answers. */
class SamplePartition {
  readonly batches: { readonly first: number; readonly next: number; readonly bytes: Buffer }[] = [];
  readonly aborted: Transaction[] = [];
  logStart = 0;

  get end(): number {
    return this.batches.at(-1)?.next ?? this.logStart;
  }

  add(batch: SampleBatch): void {
    const next = (batch.lastOffset ?? batch.records.at(-1)!.offset) + 1;
    this.batches.push({ first: batch.records[0]!.offset, next, bytes: encodeBatch(batch) });
  }

  mark(producerId: number, firstOffset: number, isAbort: boolean): void {
    const offset = this.end;
    this.batches.push({ first: offset, next: offset + 1, bytes: encodeMarker(offset, producerId, isAbort) });
    if (isAbort) this.aborted.push({ producerId, firstOffset, markerOffset: offset });
  }

  /** Answers with at most `batches` batches, and the begin of one more. */
  serve(feed: PartitionFeed, batches: number): void {
    const { nextOffset: offset } = feed;
    const from = this.batches.filter(({ next }) => next > offset);
    const whole = from.slice(0, batches);
    const more = from[batches]?.bytes.subarray(0, -1) ?? Buffer.alloc(0);
    const records = Buffer.concat([...whole.map(({ bytes }) => bytes), more]);
    const aborted = this.aborted.filter(
      ({ firstOffset, markerOffset }) => markerOffset >= offset && firstOffset < (whole.at(-1)?.next ?? offset),
    );
    const { end, logStart } = this;
    feed.take(
      { topic: 'orders', topicId: 'aa', partition: 0, code: 0, end, logStart, aborted, records },
      offset,
      1,
      records.length === 0,
    );
  }
}

function sourceAt(
  origin: number,
  position = origin,
  tail = EMPTY_TAIL,
): { source: TrackedPartition; feed: PartitionFeed } {
  const entry = newEntry(
    { topic: 't', input: 's', kind: 'kafka', identity: 'i', origin, tail, path: 'kafka://c/orders/0' },
    0,
  );
  const source = new TrackedPartition('a', { ...entry, number: 1, position }, 1000);
  const feed = new PartitionFeed(NAME, 1, position);
  source.attach(feed, FRAMING);
  return { source, feed };
}

/** Reads until there is no more, and acknowledges every block; its lines by offset, from the block alone. */
function drain(source: TrackedPartition, partition: SamplePartition, batches = 3): Map<number, string> {
  const lines = new Map<number, string>();
  for (let round = 0; source.hasMore && round < 200; round++) {
    const outcome = source.read(room, 5);
    if (typeof outcome === 'object') {
      for (const [offset, line] of linesOf(outcome)) lines.set(offset, line);
      source.acknowledge(outcome, 5);
    } else if (outcome === 'replaced') throw new Error('replaced');
    else partition.serve(source.feed!, batches);
  }
  return lines;
}

function linesOf({ value, offsets, lengths, lines }: LinesRead): [number, string][] {
  expect(offsets).toHaveLength(lines);
  let at = 0;
  return offsets!.map((offset, i) => {
    const end = lengths === undefined ? value.indexOf(10, at) : at + lengths[i]!;
    const line = value.toString('latin1', at, end);
    at = end + 1;
    return [offset, line];
  });
}

/** Runs of records with holes between and within, some in transactions that are given up or not. */
const partitions = fc.array(
  fc.record({
    hole: fc.integer({ min: 0, max: 3 }),
    gaps: fc.array(fc.integer({ min: 1, max: 3 }), { minLength: 1, maxLength: 5 }),
    codec: fc.constantFrom('none' as const, 'gzip' as const),
    fate: fc.constantFrom('plain' as const, 'committed' as const, 'aborted' as const),
    tail: fc.integer({ min: 0, max: 2 }),
    value: fc.constantFrom('v', 'with\nnewline', ''),
  }),
  { maxLength: 12 },
);

test('each record is read once, in order, whatever the holes, transactions, answers and restarts', () => {
  fc.assert(
    fc.property(partitions, fc.integer({ min: 1, max: 4 }), fc.nat(40), (runs, batches, restart) => {
      const partition = new SamplePartition();
      const expected = new Map<number, string>();
      for (const { hole, gaps, codec, fate, tail, value } of runs) {
        let offset = partition.end + hole;
        const first = offset;
        const records = gaps.map((gap) => {
          const record = { offset, value: `${value}${offset}`, key: 'k' };
          if (fate !== 'aborted') expected.set(offset, record.value);
          offset += gap;
          return record;
        });
        const isTransactional = fate !== 'plain';
        partition.add({ records, codec, isTransactional, producerId: 7, lastOffset: records.at(-1)!.offset + tail });
        if (isTransactional) partition.mark(7, first, fate === 'aborted');
      }
      const { source } = sourceAt(0);
      const lines = drain(source, partition, batches);
      expect([...lines]).toEqual([...expected]);
      expect(source.report().state).toBe('caught_up');
      expect(source.sum!.lines).toBe(expected.size);

      // Another life goes on where any block of this one ended.
      const offsets = [...expected.keys()];
      const cut = offsets.slice(0, restart % (offsets.length + 1));
      const before = sourceAt(0);
      for (const offset of cut) expect(lines.has(offset)).toBe(true);
      before.source.limit = (cut.at(-1) ?? -1) + 1;
      drain(before.source, partition, batches);
      const { position, tail } = before.source;
      const after = sourceAt(0, position, tail);
      expect([...drain(after.source, partition, batches)]).toEqual([...expected].slice(cut.length));
      expect(after.source.report().state).toBe('caught_up');
    }),
    { numRuns: 150 },
  );
});

test('a topic with another record below the position is another topic', () => {
  const partition = new SamplePartition();
  partition.add({
    records: [
      { offset: 0, value: 'a' },
      { offset: 1, value: 'b' },
    ],
  });
  const { source } = sourceAt(0);
  drain(source, partition);
  const { position, tail } = source;
  const other = new SamplePartition();
  other.add({
    records: [
      { offset: 0, value: 'a' },
      { offset: 1, value: 'c' },
      { offset: 2, value: 'd' },
    ],
  });
  const again = sourceAt(0, position, tail);
  other.serve(again.feed, 5);
  expect(again.source.read(room, 1)).toBe('replaced');
  const same = sourceAt(0, position, tail);
  expect([...drain(same.source, partition)]).toEqual([]);
  expect(same.source.report().state).toBe('caught_up');
});

test('a partition is not said to be at its end before it was asked, nor after it was cut off', () => {
  const partition = new SamplePartition();
  partition.add({ records: [{ offset: 0, value: 'a' }] });
  const { source } = sourceAt(0);
  expect(source.report().state).toBe('announced');
  drain(source, partition);
  expect(source.report().state).toBe('caught_up');
  source.verifyAgain();
  expect(source.report().state).toBe('reading');
  drain(source, partition);
  expect(source.report().state).toBe('caught_up');
});

test('with an end that was set, what lies behind it is left, and the source is finished', () => {
  const partition = new SamplePartition();
  partition.add({ records: [0, 1, 2, 3].map((offset) => ({ offset, value: `${offset}` })) });
  const { source } = sourceAt(0);
  source.limit = 2;
  source.ending = 'end';
  expect([...drain(source, partition).keys()]).toEqual([0, 1]);
  expect(source.isFinished).toBe(true);
});

test('what retention has taken unread is counted; what was read before it is not', () => {
  const partition = new SamplePartition();
  partition.add({ records: [{ offset: 10, value: 'x' }] });
  const overtaken = sourceAt(0, 4, 'tail');
  expect(overtaken.source.passOver(10)).toBe(6);
  expect([...drain(overtaken.source, partition).keys()]).toEqual([10]);
  expect(overtaken.source.report()).toMatchObject({ state: 'caught_up', position: 11, possibleLossBytes: 6 });
  // A batch is kept whole as long as one of its records is.
  const batch = new SamplePartition();
  batch.add({ records: [4, 9, 10, 12].map((offset) => ({ offset, value: 'x' })) });
  const within = sourceAt(0, 4, 'tail');
  within.source.passOver(10);
  expect([...drain(within.source, batch).keys()]).toEqual([10, 12]);
  const level = sourceAt(0, 10, 'tail');
  expect(level.source.passOver(10)).toBe(0);
  expect([...drain(level.source, partition).keys()]).toEqual([10]);
});

test('a damaged batch is asked for again, then passed over and counted', () => {
  const partition = new SamplePartition();
  partition.add({ records: [{ offset: 0, value: 'a' }] });
  partition.add({
    records: [
      { offset: 1, value: 'b' },
      { offset: 2, value: 'c' },
    ],
  });
  partition.add({ records: [{ offset: 3, value: 'd' }] });
  partition.batches[1]!.bytes[75]! ^= 1;
  const { source, feed } = sourceAt(0);
  expect([...drain(source, partition).keys()]).toEqual([0, 3]);
  expect(feed.takeLost()).toBe(2);
});

test('tombstones are kept as empty lines, or left out', () => {
  const partition = new SamplePartition();
  partition.add({
    records: [
      { offset: 0, value: 'a' },
      { offset: 1, value: null },
      { offset: 2, value: 'b' },
      { offset: 3, value: null },
    ],
  });
  expect([...drain(sourceAt(0).source, partition)]).toEqual([
    [0, 'a'],
    [1, ''],
    [2, 'b'],
    [3, ''],
  ]);
  const { source } = sourceAt(0);
  source.isKeepingTombstones = false;
  expect([...drain(source, partition).keys()]).toEqual([0, 2]);
  expect(source.report().state).toBe('caught_up');
});
