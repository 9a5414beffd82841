import { hash } from 'node:crypto';
import type { KafkaRecord } from '../../broker/kafka/record-batch.ts';
import type { Aggregates } from '../../aggregates/aggregate.ts';
import { measuresJson } from '../../epoch/derived.ts';
import { mergeRow } from '../../epoch/merge.ts';
import { exactJson } from '../../lib/exact-integer.ts';
import type { Cell } from '../../epoch/table.ts';
import type { FieldType } from '../../record/batch.ts';
import { type FoldedRow, identityOf, keyOf } from '../row-fold.ts';
import type { Step } from './stream-events.ts';

/** Names of the headers. */
export const HEADER = {
  id: 'id',
  rollup: 'rollup',
  row: 'row',
  revision: 'revision',
  sink: 'sink',
  step: 'step',
} as const;

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

/** Names a row for ever. */
export function rowName(table: string, identity: readonly Cell[]): string {
  return hash('sha256', JSON.stringify([table, ...identity]), 'base64url').slice(0, ID_LENGTH);
}

/**
 * A row as a record for other services: the key is the row's, the value is JSON with a field for every column of the table, and `tailrace` with what
 * tells records of one row apart.
 */
export function eventRecord(row: FoldedRow, step: Step, context: RecordContext): EventRecord {
  // In the order of partitions, so that sums of doubles come out the same every time.
  const parts = [...row.parts].sort(([left], [right]) => left - right);
  const merged = mergeRow(
    parts.map(([, part]) => part),
    row.schema.measures,
    context.aggregates,
  );
  const { revision, lines, hasOverflown } = merged;
  const { pipeline, group } = context;
  const said = parts.map(([partition, { n }]) => [partition, n]);
  const { schema } = row;
  const { table } = schema;
  const identity = identityOf(row);
  const isOther = row.cells['is_other'] === 1;
  const id = hash('sha256', JSON.stringify([pipeline, table, ...identity, said]), 'base64url');
  const keys = keyOf(row);
  const value = {
    ...windowJson(row),
    ...Object.fromEntries(schema.keys.map(({ column, type }, i) => [column, keyJson(keys[i]!, type)])),
    ...measuresJson({ schema, cells: row.cells, merged }, context.aggregates),
    status: revision > 0 ? 'revised' : 'final',
    revision,
    lines,
    overflow: hasOverflown,
    is_other: isOther,
    tailrace: {
      id: id.slice(0, ID_LENGTH),
      pipeline,
      rollup: table,
      partitions: parts.map(([partition]) => partition),
    },
  };
  const cells = schema.keys.map(({ column }) => (value as Row)[column]);
  // One element longer than the key of any other row of the table.
  const key = Buffer.from(JSON.stringify([table, ...cells, ...(isOther ? ['other'] : [])]));
  const record = {
    key,
    value: Buffer.from(JSON.stringify(value)),
    headers: [
      [HEADER.id, Buffer.from(value.tailrace.id)],
      [HEADER.rollup, Buffer.from(table)],
      [HEADER.row, Buffer.from(rowName(table, identity))],
      [HEADER.revision, Buffer.from(String(revision))],
      [HEADER.sink, Buffer.from(group)],
      [HEADER.step, Buffer.from(JSON.stringify(stepHeader(step)))],
    ] as const,
  };
  return { record, row: rowName(table, identity), partitions: value.tailrace.partitions };
}

/** The columns that say when, such as `window_start`: times as text, other values as they are. */
function windowJson({ schema, cells }: FoldedRow): Readonly<Record<string, unknown>> {
  const columns = schema.columns.filter(({ role }) => role === 'window');
  return Object.fromEntries(
    columns.map(({ name, type }) => {
      const value = cells[name] ?? null;
      return [name, type === 'time' && value !== null ? new Date(Number(value)).toISOString() : value];
    }),
  );
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
