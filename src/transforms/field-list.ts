import { z } from 'zod';
import { fieldName } from '../codecs/field-name.ts';
import type { FieldPlace } from './transform.ts';

/** More than a log has: a list that a program wrote by mistake ends here. */
const FIELDS_MAX = 1_000;

/** Options that are a list of fields. */
export const fieldList = z
  .array(fieldName, { error: () => 'expects a list of fields' })
  .min(1, { error: () => 'expects at least one field' })
  .max(FIELDS_MAX, { error: () => `takes at most ${FIELDS_MAX} fields` });

export function namedInList({ fields }: { readonly fields: readonly string[] }): FieldPlace[] {
  return fields.map((field, i) => ({ path: ['fields', i], part: 'value', field }));
}
