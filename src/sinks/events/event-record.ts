import { hash } from 'node:crypto';
import type { KafkaRecord } from '../../broker/kafka/record-batch.ts';
import { type Aggregates, mergeRow } from '../../epoch/merge.ts';
import { exactJson } from '../../lib/exact-integer.ts';
import type { FieldType } from '../../record/batch.ts';
import type { EventRow } from './row-windows.ts';
import type { Step } from './stream-events.ts';

/** Names of the headers. */
export const HEADER = { id: 'id', rollup: 'rollup', revision: 'revision', sink: 'sink', step: 'step' } as const;

export interface RecordContext {
  readonly pipeline: string;
  /** The sink's consumer group: whose record it is, where several write to one topic. */
  readonly group: string;
  readonly aggregates: Aggregates;
}

/** A step as the header carries it; null is −Infinity. */
export interface StepHeader {
  readonly stream: string;
  readonly from: number | null;
  readonly to: number | null;
  readonly position: readonly number[];
  readonly by: number;
}

export interface EventRecord {
  readonly record: KafkaRecord;
  /** Its row's name, and the partitions whose parts it holds. */
  readonly row: string;
  readonly partitions: readonly number[];
}

/** Names a row for ever: rollup and key stand in the record's key. */
export function rowName(key: Uint8Array, windowStart: string): string {
  return `${windowStart} ${Buffer.from(key).toString()}`;
}

/**
 * A row as a record for other services: the key is the row's, the value is JSON with a field for every column of the table, and `tailrace` with what
 * tells records of one row apart.
 */
export function eventRecord(row: EventRow, step: Step, context: RecordContext): EventRecord {
  // In the order of partitions, so that sums of doubles come out the same every time.
  const parts = [...row.parts].sort(([left], [right]) => left - right);
  const { revision, lines, values, hasOverflown } = mergeRow(
    parts.map(([, part]) => part),
    row.spec.measures,
    context.aggregates,
  );
  const { pipeline, group } = context;
  const said = parts.map(([partition, { n }]) => [partition, n]);
  // A key is a list, never a text.
  const named = row.isOther ? 'other' : row.key;
  const id = hash('sha256', JSON.stringify([pipeline, row.rollup, row.windowStartMs, named, said]), 'base64url');
  const value = {
    window_start: new Date(row.windowStartMs).toISOString(),
    window_end: new Date(row.windowEndMs).toISOString(),
    ...Object.fromEntries(row.spec.by.map(({ column, type }, i) => [column, keyJson(row.key[i] ?? null, type)])),
    ...Object.fromEntries(row.spec.measures.map(({ name }, i) => [name, exactJson(values[i]!)])),
    status: revision > 0 ? 'revised' : 'final',
    revision,
    lines,
    overflow: hasOverflown,
    is_other: row.isOther,
    tailrace: {
      id: id.slice(0, ID_LENGTH),
      pipeline,
      rollup: row.rollup,
      partitions: parts.map(([partition]) => partition),
    },
  };
  const cells = row.spec.by.map(({ column }) => (value as Row)[column]);
  // One element longer than the key of any other row of the table.
  const key = Buffer.from(JSON.stringify([row.rollup, ...cells, ...(row.isOther ? ['other'] : [])]));
  const record = {
    key,
    value: Buffer.from(JSON.stringify(value)),
    headers: [
      [HEADER.id, Buffer.from(value.tailrace.id)],
      [HEADER.rollup, Buffer.from(row.rollup)],
      [HEADER.revision, Buffer.from(String(revision))],
      [HEADER.sink, Buffer.from(group)],
      [HEADER.step, Buffer.from(JSON.stringify(stepHeader(step)))],
    ] as const,
  };
  return { record, row: rowName(key, value.window_start), partitions: value.tailrace.partitions };
}

type Row = Readonly<Record<string, unknown>>;

/** 160 bits. */
const ID_LENGTH = 27;

function stepHeader({ stream, fromMs, toMs, position, by }: Step): StepHeader {
  // JSON has no infinities: they become null.
  return { stream, from: fromMs, to: toMs, position, by };
}

function keyJson(value: string | number | null, type: FieldType): unknown {
  if (type === 'long' && typeof value === 'string') return exactJson(BigInt(value));
  if (value === null || typeof value === 'string') return value;
  if (type === 'boolean') return value === 1;
  return type === 'date' ? new Date(value).toISOString() : value;
}
