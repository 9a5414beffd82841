import { hash } from 'node:crypto';
import { type Aggregates, mergeRow } from '../../epoch/merge.ts';
import { exactJson } from '../../lib/exact-integer.ts';
import type { FieldType } from '../../record/batch.ts';
import { ECS_VERSION } from './document-writer.ts';
import type { FoldedPart, FoldedRow, RowStatus, StoredFoldedRow } from '../stream-fold.ts';

export interface RowIdentity {
  readonly pipeline: string;
  readonly rollup: string;
  readonly windowStartMs: number;
  readonly key: readonly (string | number | null)[];
  readonly isOther: boolean;
}

/** A row's document has the same id from every writer and for ever: a pure function of pipeline, rollup, key and window start. */
export function rowId({ pipeline, rollup, windowStartMs, key, isOther }: RowIdentity): string {
  // A key is a list, never a text.
  const name = JSON.stringify([pipeline, rollup, windowStartMs, isOther ? 'other' : key]);
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
}

/** What of a document another writer needs. */
export interface StoredRow {
  readonly status: RowStatus;
  readonly rollup: string;
  readonly window: { readonly start: string; readonly end: string };
  readonly key: FoldedRow['key'];
  readonly is_other: boolean;
  readonly parts: readonly StoredPart[];
}

export interface DocumentContext {
  readonly pipeline: string;
  readonly aggregates: Aggregates;
}

/** The document of a row: key fields under their own names, everything of ours under `tailrace`. */
export function rowDocument(row: FoldedRow, status: RowStatus, context: DocumentContext): Record<string, unknown> {
  const { rollup, spec, windowStartMs, windowEndMs } = row;
  // Parts in the order of partitions: sums of doubles come out the same from every writer.
  const parts = [...row.parts].sort(([left], [right]) => left - right);
  const merged = mergeRow(
    parts.map(([, part]) => part),
    spec.measures,
    context.aggregates,
  );
  return {
    '@timestamp': new Date(windowStartMs).toISOString(),
    'ecs.version': ECS_VERSION,
    ...Object.fromEntries(
      spec.by.map(({ field, as = field, type }, index) => [as, keyJson(row.key[index] ?? null, type)]),
    ),
    tailrace: {
      pipeline: context.pipeline,
      rollup,
      window: { start: new Date(windowStartMs).toISOString(), end: new Date(windowEndMs).toISOString() },
      status,
      revision: merged.revision,
      lines: merged.lines,
      overflow: merged.hasOverflown,
      is_other: row.isOther,
      measures: Object.fromEntries(spec.measures.map(({ name }, index) => [name, exactJson(merged.values[index]!)])),
      // For other writers, not indexed: the key with its own types, and each partition's part.
      key: row.key,
      parts: parts.map(storedPart),
    },
  };
}

function keyJson(value: string | number | null, type: FieldType): unknown {
  if (type === 'long' && typeof value === 'string') return exactJson(BigInt(value));
  return type === 'boolean' && value !== null ? value === 1 : value;
}

function storedPart([partition, part]: readonly [number, FoldedPart]): StoredPart {
  const { n, log, revision, lines } = part;
  const bytes = Buffer.alloc(part.accumulators.length * 8);
  part.accumulators.forEach((value, index) => bytes.writeDoubleLE(value, index * 8));
  return { partition, n, log, revision, lines, accumulators: bytes.toString('base64') };
}

function foldedPart({ n, log, revision, lines, accumulators }: StoredPart): FoldedPart {
  const bytes = Buffer.from(accumulators, 'base64');
  const values = Array.from({ length: bytes.length / 8 }, (_, index) => bytes.readDoubleLE(index * 8));
  return { n, log, revision, lines, accumulators: values };
}

/** The row that a document was made of. */
export function storedRow({ rollup, window, key, is_other: isOther, parts }: StoredRow): StoredFoldedRow {
  return {
    rollup,
    windowStartMs: Date.parse(window.start),
    windowEndMs: Date.parse(window.end),
    key,
    isOther,
    parts: new Map(parts.map((part) => [part.partition, foldedPart(part)])),
  };
}

/**
 * Brings together what this writer knows of a row and what the stored document says: of each partition the later part, which goes into
 * `row`. True when the document has to be written: it lacks something, or it calls open what is final. So no writer takes back what
 * another has told, in whatever order they come.
 */
export function joinStored(
  row: FoldedRow,
  status: RowStatus,
  stored: Pick<StoredRow, 'status' | 'parts'>,
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
    } else if (known.n > n) {
      isNews = true;
    }
  }
  return isNews || mine.size > 0 || (stored.status === 'open' && status !== 'open');
}
