import { AGGREGATES_BY_NAME } from '../components.ts';
import { type Pipeline, inReadingOrder, inputTable } from '../epoch/pipeline.ts';
import type { RowSchema } from '../epoch/table.ts';
import { isMutant } from '../lib/mutant.ts';
import { operatorOf } from './windows.ts';

/** What the tables of rollups look like: whoever changes a pipeline's rollups asks again. */
export function tablesOf(rollups: Pipeline['rollups']): Pipeline['tables'] {
  const tables: Record<string, RowSchema> = {};
  for (const name of inReadingOrder(rollups)) {
    const spec = rollups[name]!;
    const input = inputTable(rollups, name);
    for (const schema of operatorOf(spec.window).tables(name, spec, AGGREGATES_BY_NAME))
      tables[schema.table] = input === undefined ? schema : behind(schema, tables[input]!);
  }
  return tables;
}

/** Of the stream of the table that it reads, and late by as much more. */
function behind(schema: RowSchema, { table: input, stream, allowedLatenessMs }: RowSchema): RowSchema {
  const latenessMs = isMutant('chain.own_lateness') ? 0 : allowedLatenessMs;
  return { ...schema, stream, input, allowedLatenessMs: schema.allowedLatenessMs + latenessMs };
}
