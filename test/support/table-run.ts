// Runs an operator as a task would: batches, checkpoints, restarts from what those held; and folds its epochs as a sink would.
import { COMPONENTS } from '../../src/components.ts';
import type { LateLine } from '../../src/epoch/epoch.ts';
import { isFinal } from '../../src/epoch/finality.ts';
import { type OperatorState, type RowSchema, type RowSet, cellOf } from '../../src/epoch/table.ts';
import type {
  Operator,
  OperatorContext,
  OperatorDefinition,
  OperatorOutput,
  OtherKey,
} from '../../src/operators/operator.ts';
import { type LineSum, addSum, emptySum } from '../../src/record/line-id.ts';
import { type TestLine, admittedBatch } from './operator-runs.ts';

export type Row = Readonly<Record<string, unknown>>;

export interface Taken {
  readonly upserts: RowSet[];
  readonly removes: RowSet[];
  state: OperatorState | undefined;
}

export function takenOf(operator: Operator, isSnapshot: boolean): Taken {
  const taken: Taken = { upserts: [], removes: [], state: undefined };
  operator.take(isSnapshot, {
    upsert: (rows) => void taken.upserts.push(rows),
    remove: (rows) => void taken.removes.push(rows),
    state: (state) => void (taken.state = state),
  });
  return taken;
}

export class TableRun {
  readonly schemas: readonly RowSchema[];
  readonly #fields: OperatorContext['fields'];
  readonly #create: () => Operator;
  operator: Operator;
  /** By table and identity: what a sink has. */
  readonly tables: Map<string, Map<string, Row>>;
  readonly late: LateLine[] = [];
  readonly fates = new Map<string, LineSum>();
  readonly others: { lines: number; first: OtherKey | undefined } = { lines: 0, first: undefined };
  #held: Taken[] = [];

  constructor(
    definition: OperatorDefinition<any>,
    {
      name = 'table',
      spec,
      fields,
      sinceMs = -Infinity,
    }: Pick<OperatorContext, 'spec' | 'fields'> & { name?: string; sinceMs?: number },
  ) {
    this.schemas = definition.tables(name, spec, COMPONENTS.aggregates);
    this.tables = new Map(this.schemas.map(({ table }) => [table, new Map()]));
    this.#fields = fields;
    this.#create = () => definition.create({ name, spec, fields, aggregates: COMPONENTS.aggregates, sinceMs });
    this.operator = this.#create();
  }

  rowsOf(table: string): Row[] {
    return [...this.tables.get(table)!.values()];
  }

  process(lines: readonly TestLine[], from: number): void {
    const out: OperatorOutput = {
      late: (line) => void this.late.push(line),
      fate: (_consumer, fate, reason, lines_, a, b) => {
        const name = `${fate} ${reason}`.trim();
        const sum = this.fates.get(name) ?? emptySum();
        addSum(sum, { lines: lines_, a, b });
        this.fates.set(name, sum);
      },
      others: (_consumer, count, first) => {
        this.others.lines += count;
        this.others.first ??= first;
      },
    };
    this.operator.process(admittedBatch(lines, this.#fields, from), out);
  }

  checkpoint(isSnapshot: boolean, watermarkMs: number, isRestart: boolean): Taken {
    const taken = takenOf(this.operator, isSnapshot);
    if (isSnapshot) this.#held = [];
    this.#held.push(taken);
    this.#fold(taken, isSnapshot, watermarkMs);
    if (!isRestart) return taken;
    this.operator = this.#create();
    for (const { upserts, removes, state } of this.#held) this.operator.restore(upserts, removes, state);
    this.operator.onWatermark(watermarkMs);
    return taken;
  }

  /** The rows of a table as the operator has them open, by identity. */
  openRows(table: string): Map<string, Row> {
    const rows = new Map<string, Row>();
    for (const set of takenOf(this.operator, true).upserts) if (set.table === table) this.#put(rows, set);
    return rows;
  }

  #schema(table: string): RowSchema {
    return this.schemas.find((schema) => schema.table === table)!;
  }

  #put(rows: Map<string, Row>, { table, columns: data, length }: RowSet): void {
    const { columns, identity } = this.#schema(table);
    for (let i = 0; i < length; i++) {
      const row = Object.fromEntries(columns.map(({ name }, c) => [name, cellOf(data[c]!, i)]));
      const id = JSON.stringify(identity.map((name) => row[name]));
      rows.set(id, row);
    }
  }

  #fold({ upserts, removes }: Taken, isSnapshot: boolean, watermarkMs: number): void {
    for (const { table, columns, length } of removes) {
      for (let i = 0; i < length; i++) {
        const id = JSON.stringify(columns.map((column) => cellOf(column, i)));
        if (!this.tables.get(table)!.delete(id) && !isSnapshot) throw new Error(`${id} was removed and is not there`);
      }
    }
    for (const set of upserts) {
      const rows = this.tables.get(set.table)!;
      const before = rows.size;
      this.#put(rows, set);
      if (this.#schema(set.table).openFrom !== undefined && rows.size !== before + set.length)
        throw new Error('a row that is final came twice');
    }
    for (const { table, whenFinal, closesBy, allowedLatenessMs } of this.schemas) {
      if (whenFinal === 'keep') continue;
      for (const [id, row] of this.tables.get(table)!)
        if (isFinal(Number(row[closesBy!]), allowedLatenessMs, watermarkMs)) this.tables.get(table)!.delete(id);
    }
  }
}

/** Bytes of the arrays of what a checkpoint took. */
export function bytesOf({ upserts, removes }: Taken): number {
  let bytes = 0;
  for (const { columns } of [...upserts, ...removes]) {
    for (const column of columns) {
      if (column.kind === 'string')
        bytes += column.offsets.byteLength + column.bytes.byteLength + column.nulls.byteLength;
      else bytes += column.values.byteLength;
    }
  }
  return bytes;
}
