import { AGGREGATES_BY_NAME, OPERATORS_BY_TYPE } from '../components.ts';
import type { Pipeline, RollupSpec } from '../epoch/pipeline.ts';
import { present } from '../lib/assert.ts';

/** What the tables of rollups look like: whoever changes a pipeline's rollups asks again. */
export function tablesOf(rollups: Readonly<Record<string, RollupSpec>>): Pipeline['tables'] {
  const schemas = Object.entries(rollups).flatMap(([name, spec]) => {
    const { type } = spec.window;
    return present(OPERATORS_BY_TYPE[type], `operator ${type} is known`).tables(name, spec, AGGREGATES_BY_NAME);
  });
  return Object.fromEntries(schemas.map((schema) => [schema.table, schema]));
}
