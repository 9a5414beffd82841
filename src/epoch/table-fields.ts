import { fieldTypeOf } from '../expressions/tree.ts';
import { present } from '../lib/assert.ts';
import type { ColumnType, RowSchema } from './table.ts';
import type { Field, FieldType, Fields } from '../record/batch.ts';
import type { Aggregates } from '../aggregates/aggregate.ts';

/** Of the columns that are there whatever the keys and the measures: what else there is of a row is no field. */
const PLAIN_TYPES: Readonly<Partial<Record<ColumnType, FieldType>>> = { time: 'date', long: 'long', word: 'long' };
const PLAIN_ROLES: ReadonlySet<string> = new Set(['window', 'lines']);

/**
 * The one answer to which fields the rows of a table have, and of what type, for those that read them as lines: what `streamPlan` is for a
 * stream. In the order of its view; a key has the name that documents have for it.
 */
export function tableFields(schema: RowSchema, aggregates: Aggregates): Fields {
  const { columns, keys, measures, derived = [] } = schema;
  const plain = columns.filter(({ name, role }) => PLAIN_ROLES.has(role) || name === 'revision');
  const fields: Field[] = [
    ...plain.map(({ name, type }) => ({ name, type: present(PLAIN_TYPES[type], `a field of type ${type}`) })),
    ...keys.map(({ field, as = field, type }) => ({ name: as, type })),
    ...measures.map(({ name, aggregate, fieldType }) => {
      const definition = present(aggregates[aggregate], `aggregate ${aggregate} is known`);
      const ofSketch = fieldType === undefined ? undefined : definition.sketch?.valueType(fieldType);
      return { name, type: ofSketch ?? (definition.sqlType?.(fieldType) === 'DOUBLE' ? 'double' : 'long') };
    }),
    ...derived.map(({ name, tree }) => ({ name, type: fieldTypeOf(tree.type) })),
  ];
  return Object.fromEntries(fields.map(({ name, type }) => [name, type]));
}
