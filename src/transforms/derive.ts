import { z } from 'zod';
import { fieldName } from '../codecs/field-name.ts';
import { type WrittenExpression, fieldTypeOf } from '../expressions/tree.ts';
import { expressionText } from './expression-option.ts';
import type { TransformDefinition } from './transform.ts';

const FORM = 'expects a map: field → an expression in SQL';

const options = z.strictObject({
  fields: z
    .record(fieldName, expressionText, { error: () => FORM })
    .refine((fields) => Object.keys(fields).length > 0, { error: () => FORM })
    .describe(
      'Field → what it is made of: the fields before, all at once. One that is there already gets the new value.',
    ),
});

interface DeriveSpec {
  readonly fields: Readonly<Record<string, WrittenExpression>>;
}

/** A field that nobody uses is not made. */
export const derive: TransformDefinition<z.output<typeof options>, DeriveSpec> = {
  type: 'derive',
  summary:
    'Makes fields of others, by expressions in SQL. A value that cannot be (a cast that fails, a number that is too large) is NULL.',
  options,
  named: () => [],
  resolve({ fields }, read) {
    const made = Object.entries(fields).map(([field, text]) => {
      const tree = read({ path: ['fields', field], part: 'value' }, text);
      return [field, tree === undefined ? undefined : { text, tree }] as const;
    });
    const whole = made.filter((entry): entry is readonly [string, WrittenExpression] => entry[1] !== undefined);
    return whole.length < made.length ? undefined : { fields: Object.fromEntries(whole) };
  },
  shape: ({ fields }, before) => ({
    after: {
      ...Object.fromEntries(Object.entries(before).map(([from, type]) => [from, { type, from }])),
      ...Object.fromEntries(
        Object.entries(fields).map(([field, made]) => [field, { type: fieldTypeOf(made.tree.type), made }]),
      ),
    },
  }),
  examples: [
    {
      title: 'a condition as a field',
      options: { fields: { failed: 'http.response.status_code >= 500' } },
      before: { 'url.path': '/', 'http.response.status_code': 503 },
      after: { 'url.path': '/', 'http.response.status_code': 503, failed: 1 },
    },
  ],
};
