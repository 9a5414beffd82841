import { AGGREGATES_BY_NAME } from '../components.ts';
import type { Pipeline, RollupSpec } from '../epoch/pipeline.ts';
import { operatorOf } from './windows.ts';

/** What the tables of rollups look like: whoever changes a pipeline's rollups asks again. */
export function tablesOf(rollups: Readonly<Record<string, RollupSpec>>): Pipeline['tables'] {
  const schemas = Object.entries(rollups).flatMap(([name, spec]) =>
    operatorOf(spec.window).tables(name, spec, AGGREGATES_BY_NAME),
  );
  return Object.fromEntries(schemas.map((schema) => [schema.table, schema]));
}
