import { hash } from 'node:crypto';
import type { Aggregates } from '../../aggregates/aggregate.ts';
import { measuresJson } from '../../epoch/derived.ts';
import { mergeRow } from '../../epoch/merge.ts';
import { exactJson } from '../../lib/exact-integer.ts';
import type { FieldType } from '../../record/batch.ts';
import { ECS_VERSION } from './document-writer.ts';
import { type Cells, type FoldedPart, type FoldedRow, type StoredFoldedRow, identityOf } from '../row-fold.ts';
import type { RowStatus } from '../stream-fold.ts';

/** A row's document has the same id from every writer and for ever: a pure function of pipeline, table and identity. */
export function rowId(pipeline: string, row: Pick<FoldedRow, 'schema' | 'cells'>): string {
  const name = JSON.stringify([pipeline, row.schema.table, ...identityOf(row)]);
  return hash('sha256', name, 'base64url').slice(0, 27);
}

/** A partition's part of a row as it travels in the document: not for searching, but so that any writer can go on from it. */
export interface StoredPart {
  readonly partition: number;
  readonly n: number;
  readonly log: string;
  readonly revision: number;
  readonly lines: number;
  /** Float64, little endian, base64: JSON has no NaN. */
  readonly accumulators: string;
  /** States of sketches, base64. */
  readonly sketches?: readonly string[] | undefined;
  /** Epoch `n` removed the row. */
  readonly removed?: boolean | undefined;
}

/** What of a document another writer needs. */
export interface StoredRow {
  readonly status: RowStatus;
  readonly rollup: string;
  readonly cells: Cells;
  readonly parts: readonly StoredPart[];
}

export interface DocumentContext {
  readonly pipeline: string;
  readonly aggregates: Aggregates;
}

/** The document of a row: key fields under their own names, everything of ours under `tailrace`. */
export function rowDocument(row: FoldedRow, status: RowStatus, context: DocumentContext): Record<string, unknown> {
  const { schema, cells } = row;
  const [start, end] = windowOf(row);
  // Parts in the order of partitions: sums of doubles come out the same from every writer.
  const parts = [...row.parts].sort(([left], [right]) => left - right);
  const merged = mergeRow(
    parts.map(([, part]) => part),
    schema.measures,
    context.aggregates,
  );
  return {
    '@timestamp': start,
    'ecs.version': ECS_VERSION,
    ...Object.fromEntries(
      schema.keys.map(({ field, as = field, type, column }) => [as, keyJson(cells[column] ?? null, type)]),
    ),
    tailrace: {
      pipeline: context.pipeline,
      rollup: schema.table,
      window: { start, end, ...moreOfWindow(row) },
      status,
      revision: merged.revision,
      lines: merged.lines,
      overflow: merged.hasOverflown,
      is_other: cells['is_other'] === 1,
      measures: measuresJson({ schema, cells, merged }, context.aggregates),
      // For other writers, not indexed: what is the same in all partitions, and each partition's part.
      cells,
      parts: parts.map(storedPart),
    },
  };
}

/** Where the row begins and ends in event time, as text; what has no end is a moment. */
function windowOf({ schema, cells }: FoldedRow): readonly [start: string, end: string] {
  const times = schema.columns.filter(({ role, type }) => role === 'window' && type === 'time');
  const [start = 0, end = start] = times.map(({ name }) => Number(cells[name]));
  return [new Date(start).toISOString(), new Date(end).toISOString()];
}

/** What else the row says of when: `first_event`, `duration_ms`. */
function moreOfWindow({ schema, cells }: FoldedRow): Readonly<Record<string, unknown>> {
  const more = schema.columns.filter(({ name, role }) => role === 'window' && !/^window_(start|end)$/.test(name));
  return Object.fromEntries(
    more.map(({ name, type }) => [
      name,
      type === 'time' ? new Date(Number(cells[name])).toISOString() : (cells[name] ?? null),
    ]),
  );
}

function keyJson(value: string | number | null, type: FieldType): unknown {
  if (type === 'long' && typeof value === 'string') return exactJson(BigInt(value));
  return type === 'boolean' && value !== null ? value === 1 : value;
}

function storedPart([partition, part]: readonly [number, FoldedPart]): StoredPart {
  const { n, log, revision, lines, isRemoved, sketches } = part;
  const bytes = Buffer.alloc(part.accumulators.length * 8);
  part.accumulators.forEach((value, index) => bytes.writeDoubleLE(value, index * 8));
  return {
    partition,
    n,
    log,
    revision,
    lines,
    accumulators: bytes.toString('base64'),
    ...(sketches === undefined ? {} : { sketches: sketches.map((state) => Buffer.from(state).toString('base64')) }),
    ...(isRemoved === true ? { removed: true } : {}),
  };
}

function foldedPart({ n, log, revision, lines, accumulators, sketches, removed }: StoredPart): FoldedPart {
  const bytes = Buffer.from(accumulators, 'base64');
  const values = Array.from({ length: bytes.length / 8 }, (_, index) => bytes.readDoubleLE(index * 8));
  return {
    n,
    log,
    revision,
    lines,
    accumulators: values,
    ...(sketches === undefined ? {} : { sketches: sketches.map((state) => Buffer.from(state, 'base64')) }),
    ...(removed === true ? { isRemoved: true } : {}),
  };
}

/** The row that a document was made of. */
export function storedRow({ rollup, cells, parts }: StoredRow): StoredFoldedRow {
  return { table: rollup, cells, parts: new Map(parts.map((part) => [part.partition, foldedPart(part)])) };
}

/**
 * Brings together what this writer knows of a row and what the stored document says: of each partition the later part, which goes into
 * `row` with the cells it was told with: a session moves at both ends. True when the document has to be written: it lacks something, or it calls open what is final. So no writer takes back what
 * another has told, in whatever order they come.
 */
export function joinStored(
  row: FoldedRow,
  status: RowStatus,
  stored: Pick<StoredRow, 'status' | 'cells' | 'parts'>,
  logOf: (partition: number) => string | undefined,
): boolean {
  const mine = new Map(row.parts);
  let isNews = false;
  for (const part of stored.parts) {
    const { partition, n, log } = part;
    const known = mine.get(partition);
    mine.delete(partition);
    if (log !== (logOf(partition) ?? log)) {
      // Of a log that is no more: what is told of the one there is now stands in its place.
      isNews = true;
    } else if (known === undefined || known.log !== log || known.n < n) {
      row.parts.set(partition, foldedPart(part));
      row.cells = { ...row.cells, ...stored.cells };
    } else if (known.n > n) {
      isNews = true;
    }
  }
  return isNews || mine.size > 0 || (stored.status === 'open' && status !== 'open');
}
