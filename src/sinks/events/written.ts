import type { KafkaRecord } from '../../broker/kafka/record-batch.ts';
import { OperatingError } from '../../lib/errors.ts';
import { HEADER, type StepHeader } from './event-record.ts';

/** The topic, as a sink sees it. */
export interface EventTopic {
  readonly partitions: number;
  /** Durable when it resolves, all or none. A rejection means: outcome unknown. */
  append(partition: number, records: readonly KafkaRecord[]): Promise<void>;
  ends(partition: number): Promise<{ readonly start: number; readonly end: number }>;
  /** The records from an offset on, up to the end there is. */
  read(partition: number, from: number): AsyncIterable<readonly KafkaRecord[]>;
}

/** What the topic holds of the last epoch of a stream that made any record: one step, or several that followed from it. */
export interface LastStep {
  readonly fromMs: number;
  readonly toMs: number;
  readonly position: readonly number[];
  /** The partition of that epoch. */
  readonly by: number;
  readonly rows: WrittenRows;
}

/** Rows, as {@link rowName} names them → the partitions whose parts their records hold. */
export type WrittenRows = ReadonlyMap<string, ReadonlySet<number>>;

/** The newest records of a partition are read in pieces that grow: a step is rarely larger than the first. */
const TAIL_RECORDS = 256;
const TAIL_GROWTH = 8;
/** A step, or what others have written behind it, may be so many records of one partition; its ids are held in memory at the start. */
const TAIL_RECORDS_MAX = 4_000_000;

interface WrittenRecord {
  readonly row: string;
  readonly partitions: readonly number[];
  readonly step: StepHeader;
}

/**
 * Where a sink stands in its own topic, read from the topic itself, since nothing else can be true at the same moment: every record carries the step it
 * is of. What came before the last step's rows is written whole, for a step begins when the one before it is durable.
 */
export async function lastSteps(
  topic: EventTopic,
  group: string,
  streams: readonly string[],
): Promise<ReadonlyMap<string, LastStep>> {
  const tails: (readonly WrittenRecord[])[] = [];
  for (let partition = 0; partition < topic.partitions; partition++) {
    tails.push(await tailOf(topic, partition, group, streams));
  }
  const steps = new Map<string, LastStep>();
  for (const stream of streams) {
    const records = tails.flat().filter(({ step }) => step.stream === stream);
    const last = records.reduce<StepHeader | undefined>(
      (latest, { step }) => (latest === undefined || orderOf(step) > orderOf(latest) ? step : latest),
      undefined,
    );
    if (last === undefined) continue;
    const newest = records.filter(({ step }) => isSamePosition(step, last));
    const rows = new Map<string, Set<number>>();
    for (const { row, partitions } of newest) {
      const known = rows.get(row) ?? new Set();
      rows.set(row, known);
      for (const one of partitions) known.add(one);
    }
    const { position, by } = last;
    const fromMs = Math.min(...newest.map(({ step }) => step.from ?? -Infinity));
    const toMs = Math.max(...newest.map(({ step }) => step.to ?? -Infinity));
    steps.set(stream, { fromMs, toMs, position, by, rows });
  }
  return steps;
}

/** The newest records of a partition, back to one that is of an earlier epoch than the partition's last, for every stream. */
async function tailOf(
  topic: EventTopic,
  partition: number,
  group: string,
  streams: readonly string[],
): Promise<readonly WrittenRecord[]> {
  const { start, end } = await topic.ends(partition);
  for (let count = TAIL_RECORDS; ; count *= TAIL_GROWTH) {
    const from = Math.max(start, end - count);
    const records: WrittenRecord[] = [];
    for await (const batch of topic.read(partition, from)) {
      for (const record of batch) {
        const written = writtenRecord(record, group);
        if (written !== undefined) records.push(written);
      }
    }
    if (from === start || streams.every((stream) => holdsWholeStep(records, stream))) return records;
    // Of a stream without a record in so many, the cursor that it has reported is further on.
    if (count >= TAIL_RECORDS_MAX) return records;
  }
}

function holdsWholeStep(records: readonly WrittenRecord[], stream: string): boolean {
  const own = records.filter(({ step }) => step.stream === stream);
  const last = own.at(-1);
  return last !== undefined && own.some(({ step }) => !isSamePosition(step, last.step));
}

function isSamePosition(left: StepHeader, right: StepHeader): boolean {
  return left.position.join() === right.position.join();
}

/** Steps of a stream follow each other: their positions only grow. */
function orderOf({ position }: StepHeader): number {
  return position.reduce((sum, n) => sum + n, 0);
}

/** Undefined for what this sink has not written. */
function writtenRecord({ value, headers }: KafkaRecord, group: string): WrittenRecord | undefined {
  const text = (name: string): string => {
    const header = headers.find(([of]) => of === name)?.[1];
    return header === undefined || header === null ? '' : Buffer.from(header).toString();
  };
  if (text(HEADER.sink) !== group) return undefined;
  try {
    const step = JSON.parse(text(HEADER.step)) as StepHeader;
    if (!Array.isArray(step.position)) throw new RangeError('no position');
    const { tailrace } = JSON.parse(Buffer.from(value!).toString()) as {
      tailrace: { partitions: readonly number[] };
    };
    return { row: text(HEADER.row), partitions: tailrace.partitions, step };
  } catch (error) {
    throw new OperatingError(`a record of ${group} in the events topic has no step: ${String(error)}`, {
      code: 'EVENTS_FOREIGN',
      hint: 'somebody else writes records with the headers of this sink: give the sink a topic of its own',
      cause: error,
    });
  }
}
