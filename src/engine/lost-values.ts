import type { Pipeline } from '../epoch/pipeline.ts';
import { nameOfTree } from '../expressions/made-columns.ts';
import type { SourceId } from '../record/source.ts';
import type { Ledger } from './ledger.ts';

/**
 * Counts lines on which an expression lost its value. An expression of a table counts for that table, under the name of its measure or `where`; a
 * derived field or a filter counts for every reader of the stream.
 */
export class LostValues {
  /** By the name of an expression's column: the tables that have it, and what they call it. */
  readonly #ofTables = new Map<string, Map<string, string>>();

  constructor(rollups: Pipeline['rollups']) {
    for (const [table, { where, measures }] of Object.entries(rollups)) {
      if (where !== undefined) this.#note(nameOfTree(where.tree), table, 'where');
      for (const { name, field, expression } of measures)
        if (field !== undefined && expression !== undefined) this.#note(field, table, name);
    }
  }

  /** `lost`: lines by the name of a column, which is emptied. */
  add(
    ledger: Ledger,
    source: SourceId,
    consumers: readonly { readonly name: string }[],
    lost: Map<string, number>,
  ): void {
    for (const [column, lines] of lost) {
      const tables = this.#ofTables.get(column);
      for (const { name: consumer } of consumers) {
        const reason = tables === undefined ? column : tables.get(consumer);
        if (reason !== undefined) ledger.add(source, consumer, 'value_lost', reason, { lines, a: 0, b: 0 });
      }
    }
    lost.clear();
  }

  #note(column: string, table: string, name: string): void {
    const tables = this.#ofTables.get(column) ?? new Map<string, string>();
    this.#ofTables.set(column, tables);
    // Two measures of one expression lose the same values, once.
    if (!tables.has(table)) tables.set(table, name);
  }
}
