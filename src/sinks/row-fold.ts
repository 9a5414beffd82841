import { deadlineMs } from '../epoch/finality.ts';
import type { RowPart } from '../epoch/merge.ts';
import { type Cell, type RowSchema, type RowSet, bytesAt, cellOf, columnIndex } from '../epoch/table.ts';
import { Deadlines } from '../lib/deadlines.ts';
import { EXIT, OperatingError } from '../lib/errors.ts';
import type { IncomingEpoch } from './epoch-reader.ts';

/** What one partition says of a row, and in which epoch it last did. */
export interface FoldedPart extends RowPart {
  readonly n: number;
  /** Id of the raw log that epoch is about: with another one, `n` counts from 1 again and means nothing. */
  readonly log: string;
  /** Epoch `n` removed the row: another one has taken in what it was made of. */
  readonly isRemoved?: true;
}

/** Values of a row that are the same in every partition, by column: its window, its key, what identifies it. */
export type Cells = Readonly<Record<string, Cell>>;

/** A row that is not final, or that has just become so, over all partitions. */
export interface FoldedRow {
  readonly schema: RowSchema;
  cells: Cells;
  /** By partition. */
  readonly parts: Map<number, FoldedPart>;
}

/** A row as a sink's store holds it. */
export type StoredFoldedRow = Pick<FoldedRow, 'cells' | 'parts'> & { readonly table: string };

interface KnownTable {
  readonly schema: RowSchema;
  readonly layout: Layout;
  readonly rows: Map<string, FoldedRow>;
  /** Partitions whose pipeline has left it out: their rows are final as they are. */
  readonly closedIn: Set<number>;
}

interface PartitionView {
  log: string;
  watermarkMs: number;
}

export interface Folded {
  /** Rows that an epoch has made or changed. */
  readonly changed: FoldedRow[];
  /** Rows that it has removed; they are not in the fold any more. */
  readonly removed: FoldedRow[];
}

/**
 * Folds the counted epochs of all partitions of one stream into the rows that are not final: first what is removed, then what is new, then
 * what the watermark closes. It holds what the engine's tasks hold, and what its user has not forgotten yet.
 */
export class RowFold {
  readonly #wanted: ReadonlySet<string>;
  readonly #tables = new Map<string, KnownTable>();
  readonly #partitions = new Map<number, PartitionView>();
  readonly #waiting = new Deadlines<FoldedRow>();
  readonly #due = new Set<FoldedRow>();
  #watermarkMsMax = -Infinity;

  /** Rows of tables that are not `wanted` are passed over. */
  constructor(wanted: Iterable<string>) {
    this.#wanted = new Set(wanted);
  }

  /** Rows that some partition's watermark has reached, in no order. Others are not final in any, unless their table has left the pipeline. */
  get due(): ReadonlySet<FoldedRow> {
    return this.#due;
  }

  /** `onDefined` is called when an epoch has defined tables, before its rows come. */
  apply({ from: { stream, partition }, epoch: { envelope, body } }: IncomingEpoch, onDefined?: () => void): Folded {
    const view = this.#view(partition);
    Object.assign(view, { log: envelope.rawLog, watermarkMs: body.watermarkMs });
    this.#watermarkMsMax = Math.max(this.#watermarkMsMax, body.watermarkMs);
    if (body.pipeline !== null) this.#adopt(body.pipeline.tables, stream, partition);
    if (body.pipeline !== null) onDefined?.();
    const removed: FoldedRow[] = [];
    const said = { n: envelope.n, log: envelope.rawLog };
    for (const rows of this.#ours(body.removes, partition, envelope.n, body.pipeline !== null)) {
      for (let at = 0; at < rows.length; at++) {
        const row = this.#remove(rows, at, partition, said);
        if (row !== undefined) removed.push(row);
        // A reader may begin with a snapshot: what that removes was never told to it.
        else if (!envelope.isSnapshot) throw unknownRow(rows.table, partition, envelope.n);
      }
    }
    const changed: FoldedRow[] = [];
    for (const rows of this.#ours(body.upserts, partition, envelope.n, body.pipeline !== null)) {
      for (let at = 0; at < rows.length; at++) {
        const row = this.#upsert(rows, at, partition, said);
        if (row !== undefined) changed.push(row);
      }
    }
    for (const row of this.#waiting.takeDue(this.#watermarkMsMax)) this.#due.add(row);
    return { changed, removed };
  }

  /** The row with these cells, as it is known or made from what a store holds. Of a table that no epoch has defined yet: undefined. */
  place({ table, cells, parts }: StoredFoldedRow): FoldedRow | undefined {
    const known = this.#tables.get(table);
    if (known === undefined) return undefined;
    const row = this.#rowOf(known, known.layout.idOfCells(cells), cells);
    for (const [partition, part] of parts) if (!row.parts.has(partition)) row.parts.set(partition, part);
    this.#wait(row);
    return row;
  }

  knows(table: string): boolean {
    return this.#tables.has(table);
  }

  /** The row is not needed any more: what comes of it later is another one. */
  forget(row: FoldedRow): void {
    this.#forget(this.#tables.get(row.schema.table)!, row);
  }

  /** These parts of a row are not needed any more; without any part there is no row. */
  forgetParts(row: FoldedRow, partitions: Iterable<number>): void {
    const table = this.#tables.get(row.schema.table)!;
    const known = table.rows.get(table.layout.idOfCells(row.cells));
    if (known === undefined) return;
    for (const partition of partitions) known.parts.delete(partition);
    if (known.parts.size === 0) this.#forget(table, known);
  }

  #forget({ rows, layout }: KnownTable, row: FoldedRow): void {
    rows.delete(layout.idOfCells(row.cells));
    this.#due.delete(row);
    this.#waiting.delete(row);
  }

  /** Whether a partition will say no more of a row. */
  isClosed(row: FoldedRow, partition: number): boolean {
    const view = this.#partitions.get(partition);
    if (this.isLeftOut(row, partition)) return true;
    return view !== undefined && deadlineOf(row) <= view.watermarkMs;
  }

  /** Whether the pipeline of a partition no longer has the row's table. */
  isLeftOut({ schema }: FoldedRow, partition: number): boolean {
    return this.#tables.get(schema.table)!.closedIn.has(partition);
  }

  watermarkOf(partition: number): number {
    return this.#partitions.get(partition)?.watermarkMs ?? -Infinity;
  }

  /** The raw log a partition's epochs are about; undefined before the first epoch. */
  logOf(partition: number): string | undefined {
    return this.#partitions.get(partition)?.log;
  }

  #view(partition: number): PartitionView {
    let view = this.#partitions.get(partition);
    if (view === undefined) this.#partitions.set(partition, (view = { log: '', watermarkMs: -Infinity }));
    return view;
  }

  #adopt(tables: Readonly<Record<string, RowSchema>>, stream: string, partition: number): void {
    for (const [name, schema] of Object.entries(tables)) {
      if (schema.stream !== stream || !this.#wanted.has(name) || this.#tables.has(name)) continue;
      this.#tables.set(name, { schema, layout: new Layout(schema), rows: new Map(), closedIn: new Set() });
    }
    for (const [name, { closedIn, rows }] of this.#tables) {
      if (Object.hasOwn(tables, name)) {
        closedIn.delete(partition);
        continue;
      }
      closedIn.add(partition);
      for (const row of rows.values()) this.#wait(row);
    }
  }

  /**
   * Those of the tables that are wanted. A snapshot that switches may hold the last rows of a table that left the pipeline: a reader that
   * begins with it never had that one, and passes over them.
   */
  *#ours(all: readonly RowSet[], partition: number, n: number, isSwitch: boolean): Generator<RowSet> {
    for (const rows of all) {
      if (!this.#wanted.has(rows.table)) continue;
      if (this.#tables.has(rows.table)) {
        yield rows;
      } else if (!isSwitch) {
        const message = `partition ${partition}: epoch ${n} has rows of ${rows.table}, which no snapshot defined`;
        throw new OperatingError(message, { code: 'ROLLUP_UNKNOWN' });
      }
    }
  }

  #remove(rows: RowSet, at: number, partition: number, said: Pick<FoldedPart, 'n' | 'log'>): FoldedRow | undefined {
    const known = this.#tables.get(rows.table)!;
    const row = known.rows.get(known.layout.idOfRemoved(rows, at));
    const part = row?.parts.get(partition);
    if (row === undefined || part === undefined) return undefined;
    this.forgetParts(row, [partition]);
    return { ...row, parts: new Map([[partition, { ...part, ...said, isRemoved: true }]]) };
  }

  #upsert(rows: RowSet, at: number, partition: number, said: Pick<FoldedPart, 'n' | 'log'>): FoldedRow | undefined {
    const known = this.#tables.get(rows.table)!;
    const { layout } = known;
    const cells = layout.cellsOf(rows, at);
    const row = this.#rowOf(known, layout.idOfCells(cells), cells);
    const before = row.parts.get(partition);
    // What another writer's store has told may be further on.
    if (before !== undefined && before.log === said.log && before.n >= said.n) return undefined;
    row.cells = cells;
    row.parts.set(partition, { ...said, ...layout.partOf(rows, at) });
    this.#wait(row);
    return row;
  }

  #rowOf({ schema, rows }: KnownTable, id: string, cells: Cells): FoldedRow {
    const known = rows.get(id);
    if (known !== undefined) return known;
    const row = { schema, cells, parts: new Map() };
    rows.set(id, row);
    return row;
  }

  #wait(row: FoldedRow): void {
    const atMs = this.#tables.get(row.schema.table)!.closedIn.size > 0 ? -Infinity : deadlineOf(row);
    if (atMs <= this.#watermarkMsMax || atMs === -Infinity) {
      this.#waiting.delete(row);
      this.#due.add(row);
      return;
    }
    this.#due.delete(row);
    this.#waiting.set(row, atMs);
  }
}

/** The watermark that makes a row final. */
export function deadlineOf({ schema, cells }: Pick<FoldedRow, 'schema' | 'cells'>): number {
  if (schema.closesBy === null) return -Infinity;
  return deadlineMs(Number(cells[schema.closesBy]), schema.allowedLatenessMs);
}

/** The key's values, in order. */
export function keyOf({ schema, cells }: Pick<FoldedRow, 'schema' | 'cells'>): readonly Cell[] {
  return schema.keys.map(({ column }) => cells[column] ?? null);
}

/** What names a row within its table. */
export function identityOf({ schema, cells }: Pick<FoldedRow, 'schema' | 'cells'>): readonly Cell[] {
  return schema.identity.map((name) => cells[name] ?? null);
}

/** Where the columns of a table stand. */
class Layout {
  readonly #identity: readonly string[];
  readonly #cells: readonly (readonly [name: string, index: number])[];
  readonly #state: readonly number[];
  readonly #sketches: readonly number[];
  readonly #revision: number;
  readonly #lines: number;

  constructor(schema: RowSchema) {
    const entries = [...schema.columns.entries()];
    this.#identity = schema.identity;
    this.#cells = entries.flatMap(([index, { name, merge }]) => (merge === 'same' ? [[name, index] as const] : []));
    const state = entries.filter(([, { role }]) => role === 'state');
    this.#state = state.flatMap(([index, { type }]) => (type === 'bytes' ? [] : [index]));
    this.#sketches = state.flatMap(([index, { type }]) => (type === 'bytes' ? [index] : []));
    this.#revision = columnIndex(schema, 'revision');
    this.#lines = columnIndex(schema, 'lines');
  }

  idOfCells(cells: Cells): string {
    return JSON.stringify(this.#identity.map((name) => cells[name] ?? null));
  }

  idOfRemoved(rows: RowSet, at: number): string {
    return JSON.stringify(rows.columns.map((column) => cellOf(column, at)));
  }

  cellsOf({ columns }: RowSet, at: number): Cells {
    return Object.fromEntries(this.#cells.map(([name, index]) => [name, cellOf(columns[index]!, at)]));
  }

  partOf({ columns }: RowSet, at: number): RowPart {
    // Not a view: the row stays, the epoch does not.
    const sketches = this.#sketches.map((index) => Uint8Array.from(bytesAt(columns[index], at) ?? []));
    // An accumulator may be NaN, which no cell is.
    const number = (index: number): number => {
      const column = columns[index]!;
      return column.kind === 'string' ? Number.NaN : column.values[at]!;
    };
    return {
      revision: number(this.#revision),
      lines: number(this.#lines),
      accumulators: this.#state.map(number),
      ...(sketches.length === 0 ? {} : { sketches }),
    };
  }
}

function unknownRow(table: string, partition: number, n: number): OperatingError {
  return new OperatingError(`partition ${partition}: epoch ${n} removes a row of ${table} that is not there`, {
    code: 'LOG_DAMAGED',
    exitCode: EXIT.mismatch,
    hint: 'restore the log from a copy, or give the sink another name',
  });
}
