import type { EpochBody, LedgerEntry, Refusal, SourceMark } from '../../../src/epoch/epoch.ts';
import { type RollupRows, rollupRows } from '../../support/rollup-rows.ts';
import { isFinal } from '../../../src/epoch/finality.ts';
import { faultPoint } from '../../../src/lib/fault-point.ts';
import { isMutant } from '../../../src/lib/mutant.ts';
import type { IncomingEpoch, StoredCursor } from '../../../src/sinks/epoch-reader.ts';
import type { World } from './world.ts';

export interface StoredRow {
  readonly rollup: string;
  readonly windowStartMs: number;
  readonly windowEndMs: number;
  readonly key: string;
  readonly lines: number;
  readonly sumA: number;
  readonly sumB: number;
  readonly accumulators: readonly number[];
}

/** The tables at one commit. */
interface Tables {
  readonly open: Map<string, StoredRow>;
  readonly final: Map<string, StoredRow>;
  /** Rollup, source and offset. */
  readonly late: Map<string, number>;
  readonly deadLetters: Map<string, string>;
  readonly ledger: Map<string, LedgerEntry>;
  readonly sources: Map<string, SourceMark>;
  readonly refusals: Refusal[];
  cursor: StoredCursor | undefined;
}

const decoder = new TextDecoder();

/**
 * What src/sinks/duckdb does with an epoch and when it commits, over maps: rows and cursor in one transaction. It also sees what a table
 * would not: a row that comes for a window that is final, a late line that comes twice, an open row that a snapshot no longer has.
 */
export class ModelStore {
  readonly #world: World;
  #tables: Tables = emptyTables();

  constructor(world: World) {
    this.#world = world;
  }

  get tables(): Tables {
    return this.#tables;
  }

  get cursor(): StoredCursor | undefined {
    return this.#tables.cursor;
  }

  /** One transaction, with the fault points of the real store. */
  fold(epochs: readonly IncomingEpoch[]): void {
    const draft = copyOf(this.#tables);
    for (const { epoch } of epochs) this.#apply(draft, epoch.body, epoch.envelope.isSnapshot);
    faultPoint('warehouse.folded');
    if (isMutant('warehouse.cursor_apart')) this.#tables = copyOf(draft);
    const { nextOffset, epoch } = epochs.at(-1)!;
    const { id, n, to } = epoch.envelope;
    draft.cursor = { offset: nextOffset, id, n, to };
    faultPoint('warehouse.before_commit');
    this.#tables = draft;
    faultPoint('warehouse.after_commit');
  }

  /** The file is moved away: a new one is made from the log. */
  clear(): void {
    this.#tables = emptyTables();
  }

  #apply(draft: Tables, body: EpochBody, isSnapshot: boolean): void {
    for (const mark of body.sources) {
      if (mark.state === 'forgotten') draft.sources.delete(mark.source);
      else draft.sources.set(mark.source, mark);
      if (mark.state === 'closed' || mark.isOver === true) this.#world.overSources.add(mark.source);
    }
    if (isSnapshot) draft.ledger.clear();
    for (const entry of body.ledger) {
      draft.ledger.set(`${entry.source} ${entry.consumer} ${entry.fate} ${entry.reason}`, entry);
    }
    for (const line of body.late)
      this.#once(draft.late, `${line.rollup} ${line.source} ${line.offset}`, line.windowStartMs);
    for (const letter of body.deadLetters)
      this.#once(draft.deadLetters, `${letter.source} ${letter.offset}`, letter.reason);
    draft.refusals.push(...body.refusals);
    const rows = body.upserts.flatMap((set) =>
      rowsOf(rollupRows(set, this.#world.pipeline.rollups[set.table]!.by.length)),
    );
    for (const row of rows) draft.open.delete(idOf(row));
    for (const [id, row] of draft.open) if (this.#isFinal(row, body)) this.#close(draft, id, row);
    if (isSnapshot) {
      for (const id of draft.open.keys()) this.#world.violate(`a snapshot lacks the open row ${id}`);
      draft.open.clear();
    }
    for (const row of rows) {
      const id = idOf(row);
      if (draft.final.has(id)) this.#world.violate(`a row came for the final row ${id}`);
      if (this.#isFinal(row, body)) this.#close(draft, id, row);
      else draft.open.set(id, row);
    }
  }

  #close(draft: Tables, id: string, row: StoredRow): void {
    draft.open.delete(id);
    draft.final.set(id, row);
  }

  #once<T>(table: Map<string, T>, id: string, value: T): void {
    if (table.has(id)) this.#world.violate(`${id} came twice`);
    table.set(id, value);
  }

  #isFinal(row: StoredRow, body: EpochBody): boolean {
    const { allowedLatenessMs } = this.#world.pipeline.rollups[row.rollup]!;
    return isFinal(row.windowEndMs, allowedLatenessMs, body.watermarkMs);
  }
}

export function idOf({ rollup, windowStartMs, key }: Pick<StoredRow, 'rollup' | 'windowStartMs' | 'key'>): string {
  return `${rollup} ${windowStartMs} ${key}`;
}

/** NULL as `-`, as in the simulated lines. */
function rowsOf(rows: RollupRows): StoredRow[] {
  return Array.from({ length: rows.length }, (_, i) => ({
    rollup: rows.table,
    windowStartMs: rows.windowStartMs[i]!,
    windowEndMs: rows.windowEndMs[i]!,
    key: rows.keys
      .map((key) => {
        if (key.kind !== 'string') return String(key.values[i]);
        return key.nulls[i] === 1 ? '-' : decoder.decode(key.bytes.subarray(key.offsets[i], key.offsets[i + 1]));
      })
      .join('|'),
    lines: rows.lines[i]!,
    sumA: rows.sumA[i]!,
    sumB: rows.sumB[i]!,
    accumulators: rows.accumulators.map((values) => values[i]!),
  }));
}

function emptyTables(): Tables {
  return {
    open: new Map(),
    final: new Map(),
    late: new Map(),
    deadLetters: new Map(),
    ledger: new Map(),
    sources: new Map(),
    refusals: [],
    cursor: undefined,
  };
}

function copyOf(tables: Tables): Tables {
  const { open, final, late, deadLetters, ledger, sources, refusals, cursor } = tables;
  return {
    open: new Map(open),
    final: new Map(final),
    late: new Map(late),
    deadLetters: new Map(deadLetters),
    ledger: new Map(ledger),
    sources: new Map(sources),
    refusals: [...refusals],
    cursor,
  };
}
