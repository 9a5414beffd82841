import { type Pipeline, inReadingOrder, inputTable } from '../epoch/pipeline.ts';
import type { RowSchema } from '../epoch/table.ts';
import { isMutant } from '../lib/mutant.ts';
import type { ConfigComponents } from './definitions.ts';
import { operatorOf } from './windows.ts';

/** What the tables of rollups look like: whoever changes a pipeline's rollups asks again. */
export function tablesOf(
  rollups: Pipeline['rollups'],
  components: Pick<ConfigComponents, 'operators' | 'aggregates'>,
): Pipeline['tables'] {
  const tables: Record<string, RowSchema> = {};
  for (const name of inReadingOrder(rollups)) {
    const spec = rollups[name]!;
    const input = inputTable(rollups, name);
    for (const schema of operatorOf(spec.window, components).tables(name, spec, components.aggregates))
      tables[schema.table] = input === undefined ? schema : behind(schema, tables[input]!);
  }
  return tables;
}

/** Of the stream of the table that it reads, and late by as much more. */
function behind(schema: RowSchema, { table: input, stream, allowedLatenessMs }: RowSchema): RowSchema {
  const latenessMs = isMutant('chain.own_lateness') ? 0 : allowedLatenessMs;
  return { ...schema, stream, input, allowedLatenessMs: schema.allowedLatenessMs + latenessMs };
}
