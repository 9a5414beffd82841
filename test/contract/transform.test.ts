import { describe, expect, test } from '@jest/globals';
import { COMPONENTS } from '../../src/components.ts';
import type { Fields } from '../../src/record/batch.ts';
import { plainTransforms } from '../support/plain-transforms.ts';

const fieldsOf = (line: object): Fields =>
  Object.fromEntries(Object.keys(line).map((field) => [field, 'keyword' as const]));

/** Every transform keeps what the port says, shown on its own examples. */
describe.each(Object.values(COMPONENTS.transforms).map((transform) => [transform.type, transform] as const))(
  'transform %s',
  (type, transform) => {
    test.each(transform.examples.map((example) => [example.title, example] as const))('example: %s', (_, example) => {
      const options = transform.options.parse(example.options);
      const before = fieldsOf(example.before);
      expect(transform.problems?.(options, before) ?? []).toEqual([]);
      const { after } = transform.shape(options, before);
      const line = Object.fromEntries(Object.entries(after).map(([field, { from }]) => [field, example.before[from]]));
      expect(line).toEqual(example.after);
      expect(plainTransforms(example.before, [{ type, ...example.options }])).toEqual(example.after);
    });

    test('names only fields that are there, each with its place in the options', () => {
      for (const { options, before } of transform.examples) {
        const named = transform.named(transform.options.parse(options));
        expect(named.length).toBeGreaterThan(0);
        for (const { field, path, part } of named) {
          expect(Object.keys(before)).toContain(field);
          const at = part === 'key' ? path.at(-1) : path.reduce((value: any, step) => value[step], options);
          expect(at).toBe(field);
        }
      }
    });

    test('keeps the type of what it passes on', () => {
      for (const { options, before } of transform.examples) {
        const types = Object.fromEntries(Object.keys(before).map((field) => [field, 'date' as const]));
        for (const { type: after } of Object.values(transform.shape(transform.options.parse(options), types).after))
          expect(after).toBe('date');
      }
    });
  },
);
