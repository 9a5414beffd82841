import { z } from 'zod';
import { deadlineMs, isFinal } from '../epoch/finality.ts';
import type { RollupSpec, WindowSpec } from '../epoch/pipeline.ts';
import { type OperatorState, type RowSchema, type RowSet, numbersIn } from '../epoch/table.ts';
import { isMutant } from '../lib/mutant.ts';
import { duration, formatDuration } from '../lib/units.ts';
import { restoredCell } from './key-cells.ts';
import { KeyedFates } from './keyed-fates.ts';
import { type KeyedSpec, type RolledUp, initialOf, keyedSpecOf, loopsOf, sketchesOf } from './keyed-loop.ts';
import type { Batch } from '../record/batch.ts';
import type { Aggregates } from '../aggregates/aggregate.ts';
import type {
  AdmittedBatch,
  EpochDraft,
  Operator,
  OperatorContext,
  OperatorDefinition,
  OperatorOutput,
} from './operator.ts';
import { ROLLUP_AT, rollupSchema } from './rollup-schema.ts';
import { FinalRows, RowCollector } from './row-collector.ts';
import { type SessionHost, type SessionLoop, compileSessionLoop } from './session-source.ts';
import { TimerHeap } from '../lib/timer-heap.ts';
import { SessionTable } from './session-table.ts';
import { EMPTY } from './window-table.ts';

export type SessionSpec = WindowSpec & {
  readonly gapMs: number;
  /** Null: as long as it goes on. */
  readonly lengthMsMax: number | null;
};

/** A gap of milliseconds would be a session a line; one of a month is a table that never ends. */
const GAP_RANGE = { min: '100ms', max: '31d' };

export const session: OperatorDefinition<SessionSpec> = {
  type: 'session',
  needsKeyInOnePartition: true,
  ownColumns: ['first_event', 'last_event', 'duration_ms', 'born', 'id_a', 'id_b'],
  summary: 'What belongs together: events of a key with no more than `gap` between them.',
  options: z.strictObject({
    gap: duration(GAP_RANGE).describe('A session ends when its key was silent for so long.'),
    max_length: duration({ min: GAP_RANGE.min, max: '365d' })
      .optional()
      .describe('From its first to its last event, at most; what comes then begins another one. Default: no limit.'),
  }),
  resolve(options) {
    const { gap, max_length: lengthMsMax = null } = options as { readonly gap: number; readonly max_length?: number };
    return { window: { type: 'session', gapMs: gap, lengthMsMax } };
  },
  tables: (name, spec, aggregates) => [sessionSchema(name, spec, aggregates)],
  sinceMs: (_window, eventTimeMsMax) => eventTimeMsMax + 1,
  lastMissingMs: ({ gapMs }, sinceMs) => sinceMs + gapMs - 1,
  describe: ({ gapMs }) => `sessions with gaps up to ${formatDuration(gapMs)}`,
  create: (context) => new SessionWindow(context),
};

/** Behind the common columns: where they stand. */
const SESSION_AT = { idA: 7, idB: 8, born: 9, first: 10, last: 11, duration: 12, keys: 13 } as const;

function sessionSchema(name: string, spec: RollupSpec, aggregates: Aggregates): RowSchema {
  return rollupSchema(name, spec, aggregates, {
    columns: [
      // The line that began it names it: two sessions of a key may begin at one moment.
      { name: 'id_a', type: 'word', role: 'hash', merge: 'same' },
      { name: 'id_b', type: 'word', role: 'hash', merge: 'same' },
      { name: 'born', type: 'long', role: 'info', merge: 'same' },
      { name: 'first_event', type: 'time', role: 'window', merge: 'same' },
      { name: 'last_event', type: 'time', role: 'window', merge: 'same' },
      { name: 'duration_ms', type: 'long', role: 'window', merge: 'same' },
    ],
    identity: ['id_a', 'id_b'],
  });
}

/** In `isChanged`: it changed, and no epoch has told of it yet. Of other rows that changed it is 1. */
const UNTOLD = 2;

/**
 * Sessions: a line belongs to those of its key that it is at most `gap` away from, and joins them to one, the oldest. It is late if it joins none
 * and would itself be over by the watermark just before it. Flink's merging windows, but for `max_length`.
 */
export class SessionWindow implements Operator, SessionHost {
  readonly name: string;
  readonly tables: readonly string[];
  readonly rolledUp: RolledUp = { lines: 0, a: 0, b: 0 };
  readonly table: SessionTable;
  born = 0;
  lastEventMs = -Infinity;
  readonly #spec: RollupSpec;
  readonly #gapMs: number;
  readonly #lengthMsMax: number;
  readonly #schema: RowSchema;
  readonly #keyed: KeyedSpec;
  readonly #loopOf: (batch: Batch) => SessionLoop;
  readonly #timers = new TimerHeap();
  readonly #fates: KeyedFates;
  /** Filled again for every row that is collected. */
  readonly #fixed: number[] = Array.from({ length: SESSION_AT.keys }, () => 0);
  readonly #rowBytes: number;
  /** Sessions that ended since the last checkpoint. */
  #closed: RowCollector;
  /** Those that were joined to others, and that an epoch has told of. */
  #removed: RowCollector;
  /** Those that ended since another table read them; undefined where none does. */
  readonly #final: FinalRows | undefined;
  #toldBorn = 0;
  /** A session ended since `onWatermark` last said so. */
  #hasFired = false;

  constructor(context: OperatorContext) {
    const { name, spec, aggregates, sinceMs } = context;
    const { gapMs, lengthMsMax } = spec.window as SessionSpec;
    const keyed = keyedSpecOf(context);
    const initial = initialOf(keyed);
    this.name = name;
    this.tables = [name];
    this.#spec = spec;
    this.#gapMs = gapMs;
    this.#lengthMsMax = lengthMsMax ?? Infinity;
    this.#schema = sessionSchema(name, spec, aggregates);
    this.#keyed = keyed;
    this.#fates = new KeyedFates(name, keyed.keys, spec.rowsMax);
    this.table = new SessionTable({
      keyKinds: keyed.keys.map(({ kind }) => kind),
      initial,
      sketches: sketchesOf(keyed),
      rowsMax: spec.rowsMax,
    });
    const { allowedLatenessMs } = spec;
    const loop = { ...keyed, gapMs, lengthMsMax: this.#lengthMsMax, allowedLatenessMs, sinceMs, at: this.table.at };
    this.#loopOf = loopsOf((hasLarge) => compileSessionLoop(loop, hasLarge));
    this.#rowBytes = 90 + keyed.keys.length * 8 + initial.length * 8;
    this.#closed = new RowCollector(this.#schema);
    this.#removed = this.#identities();
    this.#final = context.isRead === true ? new FinalRows(this.#schema) : undefined;
  }

  get nextMs(): number {
    return this.#timers.nextMs;
  }

  process(admitted: AdmittedBatch, out: OperatorOutput): void {
    this.#fates.begin(out);
    this.#loopOf(admitted.batch)(this, admitted);
    this.#fates.end(this.rolledUp);
  }

  onWatermark(watermarkMs: number): boolean {
    if (watermarkMs >= this.#timers.nextMs) this.fire(watermarkMs);
    const hasFired = this.#hasFired;
    this.#hasFired = false;
    return hasFired;
  }

  /** Exact: a session that is joined to another one leaves its end to that. */
  lastTimerMs(): number {
    return this.table.live === 0 ? -Infinity : this.#deadlineOf(this.lastEventMs);
  }

  changedBytes(): number {
    const { changedCount, arenaLength, size, changedSketchBytes } = this.table;
    const open = changedCount === 0 ? 0 : changedCount * (this.#rowBytes + arenaLength / size) + changedSketchBytes;
    const { length, textBytes } = this.#closed;
    return length * this.#rowBytes + textBytes + open + this.#removed.length * 40 + this.#removed.textBytes;
  }

  take(isSnapshot: boolean, draft: EpochDraft): void {
    const { table } = this;
    const closed = isSnapshot && isMutant('snapshot.only_open') ? new RowCollector(this.#schema) : this.#closed;
    const [upserts, removes] = [closed, this.#removed];
    if (isSnapshot) for (let row = 0; row < table.size; row++) this.#collect(upserts, row);
    else for (let i = 0; i < table.changedCount; i++) this.#collect(upserts, table.changed[i]!);
    table.clearChanged();
    this.#closed = new RowCollector(this.#schema);
    this.#removed = this.#identities();
    if (upserts.length > 0) draft.upsert(upserts.finish());
    if (removes.length > 0) draft.remove(removes.finish());
    if (this.born === this.#toldBorn && !(isSnapshot && this.born > 0)) return;
    this.#toldBorn = this.born;
    draft.state({ operator: this.name, version: 1, head: { born: this.born }, arrays: [] });
  }

  takeFinal(): RowSet | undefined {
    return this.#final?.take();
  }

  restore(upserts: readonly RowSet[], removes: readonly RowSet[], state: OperatorState | undefined): void {
    if (state !== undefined) this.born = this.#toldBorn = Number(state.head['born']);
    for (const rows of removes) this.#restoreRemoves(rows);
    for (const rows of upserts) this.#restoreRows(rows);
  }

  // What the generated loop calls.

  get dropped(): RolledUp {
    return this.#fates.dropped;
  }

  fire(watermarkMs: number): void {
    const { table } = this;
    const { born, last } = table.arrays;
    for (const row of this.#timers.due(watermarkMs, (at, known) => table.lines[at]! > 0 && born[at] === known)) {
      const atMs = this.#deadlineOf(last[row]!);
      if (atMs > watermarkMs) {
        // It has gone on since its timer was set.
        this.#timers.set(row, born[row]!, atMs);
        continue;
      }
      if (table.isChanged[row] !== 0) this.#collect(this.#closed, row);
      if (this.#final !== undefined) this.#collect(this.#final.rows, row);
      this.table.end(row);
      this.#hasFired = true;
    }
    if (table.live === 0) this.lastEventMs = -Infinity;
  }

  beforeRollup(admitted: AdmittedBatch, line: number): void {
    this.#fates.beforeRollup(admitted, line);
  }

  place(admitted: AdmittedBatch, line: number, hash: number, found: number, born: number): number {
    const { table } = this;
    const { batch } = admitted;
    const columns = this.#keyed.keys.map(({ column }) => batch.columns[column]!);
    const timeMs = batch.eventTimeMs[line]!;
    const beforeMs = admitted.watermarkBeforeMs[line]!;
    const head = found >= 0 ? found : table.lookup(batch, columns, line, hash);
    const touched =
      isMutant('session.judge_first') && this.#deadlineOf(timeMs) <= beforeMs ? [] : this.#touched(head, timeMs);
    if (touched.length === 0 && this.#deadlineOf(timeMs) <= beforeMs) {
      this.#fates.late(admitted, line, timeMs, timeMs + this.#gapMs);
      return EMPTY;
    }
    let row: number;
    if (touched.length > 0) {
      row = this.#join(touched, timeMs, admitted.clockBeforeMs[line]!);
    } else {
      row = head === EMPTY ? table.insert(batch, columns, line, hash) : this.table.addBeside(head);
      this.#begin(row, { timeMs, born, idA: admitted.hashA[line]!, idB: admitted.hashB[line]! });
    }
    if (this.table.isOther(row)) this.#fates.other(admitted, line, timeMs);
    return row;
  }

  /** Sessions of the key that the line joins: the oldest first, each only if the whole does not grow too long. */
  #touched(head: number, timeMs: number): number[] {
    const { first, last, next, born } = this.table.arrays;
    const near: number[] = [];
    for (let row = head; row >= 0; row = next[row]!)
      if (timeMs >= first[row]! - this.#gapMs && timeMs <= last[row]! + this.#gapMs) near.push(row);
    near.sort(isMutant('session.order_by_cut') ? (a, b) => a - b : (a, b) => born[a]! - born[b]!);
    let [firstMs, lastMs] = [timeMs, timeMs];
    return near.filter((row) => {
      const [fromMs, toMs] = [Math.min(firstMs, first[row]!), Math.max(lastMs, last[row]!)];
      if (toMs - fromMs > this.#lengthMsMax) return false;
      [firstMs, lastMs] = [fromMs, toMs];
      return true;
    });
  }

  /** Joins sessions, and a line at a moment, to the first of them. */
  #join([row, ...others]: readonly number[], timeMs: number, clockMs: number): number {
    const { table } = this;
    const { first, last } = table.arrays;
    const into = row!;
    let hasFired = isFinal(last[into]! + this.#gapMs, 0, clockMs);
    for (const other of others) {
      hasFired ||= isFinal(last[other]! + this.#gapMs, 0, clockMs);
      table.lines[into]! += table.lines[other]!;
      table.sumA[into]! += table.sumA[other]!;
      table.sumB[into]! += table.sumB[other]!;
      table.revision[into]! += table.revision[other]!;
      first[into] = Math.min(first[into]!, first[other]!);
      last[into] = Math.max(last[into]!, last[other]!);
      this.#mergeMeasures(into, other);
      const isTold = table.isChanged[other] !== UNTOLD && !isMutant('session.no_remove');
      if (isTold) this.#removed.add(table, other, this.#identityOf(other));
      this.table.end(other);
    }
    first[into] = Math.min(first[into]!, timeMs);
    last[into] = Math.max(last[into]!, timeMs);
    if (hasFired) table.revision[into]! += 1;
    this.lastEventMs = Math.max(this.lastEventMs, timeMs);
    return into;
  }

  #mergeMeasures(into: number, other: number): void {
    const { accumulators, sketches } = this.table;
    for (const sketch of sketches) sketch.merge(into, sketch.encode(other));
    let at = 0;
    for (const { aggregate, fieldType } of this.#keyed.measures) {
      const own = accumulators.slice(at, (at += aggregate.accumulators(fieldType).length));
      const merged = own.map((values) => values[into]!);
      aggregate.merge(
        merged,
        own.map((values) => values[other]!),
        fieldType,
      );
      own.forEach((values, i) => (values[into] = merged[i]!));
    }
  }

  #begin(row: number, { timeMs, born, idA, idB }: { timeMs: number; born: number; idA: number; idB: number }): void {
    const { table } = this;
    const { arrays } = table;
    arrays.first[row] = arrays.last[row] = timeMs;
    arrays.born[row] = born;
    arrays.idA[row] = idA;
    arrays.idB[row] = idB;
    table.isChanged[row] = UNTOLD;
    table.changed[table.changedCount++] = row;
    this.#timers.set(row, born, this.#deadlineOf(timeMs));
    this.lastEventMs = Math.max(this.lastEventMs, timeMs);
  }

  #deadlineOf(lastEventMs: number): number {
    return deadlineMs(lastEventMs + this.#gapMs, this.#spec.allowedLatenessMs);
  }

  #collect(collector: RowCollector, row: number): void {
    const { table } = this;
    const { first, last, born, idA, idB } = table.arrays;
    // It was removed since it changed.
    if (table.lines[row] === 0) return;
    const fixed = this.#fixed;
    fixed[ROLLUP_AT.start] = fixed[SESSION_AT.first] = first[row]!;
    fixed[ROLLUP_AT.end] = last[row]! + this.#gapMs;
    fixed[ROLLUP_AT.revision] = table.revision[row]!;
    fixed[ROLLUP_AT.lines] = table.lines[row]!;
    fixed[ROLLUP_AT.sumA] = table.sumA[row]!;
    fixed[ROLLUP_AT.sumB] = table.sumB[row]!;
    fixed[ROLLUP_AT.isOther] = this.table.isOther(row) ? 1 : 0;
    fixed[SESSION_AT.idA] = idA[row]!;
    fixed[SESSION_AT.idB] = idB[row]!;
    fixed[SESSION_AT.born] = born[row]!;
    fixed[SESSION_AT.last] = last[row]!;
    fixed[SESSION_AT.duration] = last[row]! - first[row]!;
    collector.add(table, row, fixed);
  }

  #identities(): RowCollector {
    const { table, columns, identity } = this.#schema;
    return new RowCollector({
      table,
      columns: identity.map((name) => columns.find((column) => column.name === name)!),
    });
  }

  #identityOf(row: number): readonly number[] {
    const { idA, idB } = this.table.arrays;
    return [idA[row]!, idB[row]!, this.table.isOther(row) ? 1 : 0];
  }

  #restoreRemoves({ columns, length }: RowSet): void {
    const [idA, idB, isOther] = columns.map(numbersIn);
    for (let i = 0; i < length; i++) {
      const key = columns.slice(3).map((column) => restoredCell(column, i));
      const head = isOther![i] === 1 ? this.table.otherRow : this.table.find(key);
      const row = this.table.withId(head, idA![i]!, idB![i]!);
      if (row >= 0) this.table.end(row);
    }
  }

  #restoreRows({ columns, length }: RowSet): void {
    const { table } = this;
    const keys = columns.slice(SESSION_AT.keys, SESSION_AT.keys + table.keys.length);
    const numbers = columns.map(numbersIn);
    const state = columns.slice(SESSION_AT.keys + table.keys.length);
    const at = (column: number, i: number): number => numbers[column]![i]!;
    for (let i = 0; i < length; i++) {
      const key = keys.map((column) => restoredCell(column, i));
      const head = at(ROLLUP_AT.isOther, i) === 1 ? table.otherRow : table.find(key);
      const [idA, idB, born] = [at(SESSION_AT.idA, i), at(SESSION_AT.idB, i), at(SESSION_AT.born, i)];
      let row = this.table.withId(head, idA, idB);
      const isNew = row < 0;
      if (isNew && head >= 0) row = this.table.addBeside(head);
      else if (isNew) row = at(ROLLUP_AT.isOther, i) === 1 ? table.other() : table.upsert(key);
      const { arrays } = table;
      table.lines[row] = at(ROLLUP_AT.lines, i);
      table.sumA[row] = at(ROLLUP_AT.sumA, i);
      table.sumB[row] = at(ROLLUP_AT.sumB, i);
      table.revision[row] = at(ROLLUP_AT.revision, i);
      table.restoreState(row, state, i);
      arrays.first[row] = at(SESSION_AT.first, i);
      arrays.last[row] = at(SESSION_AT.last, i);
      arrays.born[row] = born;
      arrays.idA[row] = idA;
      arrays.idB[row] = idB;
      if (isNew) this.#timers.set(row, born, this.#deadlineOf(arrays.last[row]!));
      this.lastEventMs = Math.max(this.lastEventMs, arrays.last[row]!);
    }
  }
}
