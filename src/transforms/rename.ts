import { z } from 'zod';
import { fieldName } from '../codecs/field-name.ts';
import type { TransformDefinition } from './transform.ts';

const FORM = 'expects a map: field → its new name';

const options = z.strictObject({
  fields: z
    .record(fieldName, fieldName, { error: () => FORM })
    .refine((fields) => Object.keys(fields).length > 0, { error: () => FORM })
    .describe('Field → its new name, all at once: `{ a: b, b: a }` changes two over.'),
});

/** Costs nothing: a field is decoded under its own name and used under the new one. */
export const rename: TransformDefinition<z.output<typeof options>> = {
  type: 'rename',
  summary: 'Gives fields other names. Only the new ones can be used behind it.',
  options,
  named: ({ fields }) => Object.keys(fields).map((field) => ({ path: ['fields', field], part: 'key', field })),
  problems({ fields }, before) {
    const taken = new Map(
      Object.keys(before)
        .filter((field) => !Object.hasOwn(fields, field))
        .map((field) => [field, `the lines have a field "${field}" already`]),
    );
    return Object.entries(fields).flatMap(([field, name]) => {
      const message = taken.get(name);
      taken.set(name, `the field "${field}" gets the name "${name}" already`);
      if (message === undefined) return [];
      return [
        { path: ['fields', field], part: 'value', message, hint: 'choose another name, or drop that field before' },
      ];
    });
  },
  shape: ({ fields }, before) => ({
    after: Object.fromEntries(
      Object.entries(before).map(([from, type]) => [
        Object.hasOwn(fields, from) ? fields[from]! : from,
        { type, from },
      ]),
    ),
  }),
  examples: [
    {
      title: 'a name that people use',
      options: { fields: { 'source.ip': 'client', 'http.response.status_code': 'code' } },
      before: { 'source.ip': '192.0.2.7', 'url.path': '/', 'http.response.status_code': 200 },
      after: { client: '192.0.2.7', 'url.path': '/', code: 200 },
    },
    {
      title: 'two fields that change names',
      options: { fields: { 'source.address': 'source.ip', 'source.ip': 'source.address' } },
      before: { 'source.address': 'www.example.org', 'source.ip': null },
      after: { 'source.ip': 'www.example.org', 'source.address': null },
    },
  ],
};
