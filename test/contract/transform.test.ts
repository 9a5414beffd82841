import { beforeAll, describe, expect, test } from '@jest/globals';
import { COMPONENTS } from '../../src/components.ts';
import { readExpression } from '../../src/config/expressions.ts';
import { cellAt } from '../../src/expressions/column.ts';
import { SqlParser } from '../../src/expressions/sql-parser.ts';
import { valueTypeOf } from '../../src/expressions/tree.ts';
import type { FieldType, Fields } from '../../src/record/batch.ts';
import { type StreamPlan, streamPlan } from '../../src/transforms/stream-plan.ts';
import type { TransformDefinition, TransformExample } from '../../src/transforms/transform.ts';
import { blockOf } from '../support/decoded.ts';

const TIME = 'event.created';
const EVENT_TIME = { field: TIME, outOfOrdernessMs: 0, idleTimeoutMs: 0, maxFutureMs: 0, agentLostTimeoutMs: 0 };

function typeOf(field: string, value: unknown): FieldType {
  if (typeof value === 'boolean') return 'boolean';
  if (field === '@timestamp') return 'date';
  return typeof value === 'number' ? 'long' : 'keyword';
}

const fieldsOf = (line: object): Fields =>
  Object.fromEntries(Object.entries(line).map(([field, value]) => [field, typeOf(field, value)]));

/** The spec of an example, with its expressions read as a configuration does. */
async function specOf(transform: TransformDefinition<any, any>, options: unknown, fields: Fields): Promise<unknown> {
  const parser = new SqlParser();
  const report = (_path: unknown, _part: unknown, { message }: { readonly message: string }): never => {
    throw new Error(message);
  };
  const resolve = (): unknown =>
    transform.resolve === undefined
      ? options
      : transform.resolve(options, ({ path }, text, type) =>
          readExpression({ parser, report }, path, text, { fields }, type),
        );
  resolve();
  await parser.read();
  return resolve();
}

/** Every transform keeps what the port says, shown on its own examples. */
describe.each(Object.values(COMPONENTS.transforms).map((transform) => [transform.type, transform] as const))(
  'transform %s',
  (type, transform) => {
    describe.each(transform.examples.map((example) => [example.title, example] as const))(
      'example: %s',
      (_, { options: written, before, after }: TransformExample<any>) => {
        const fields = fieldsOf(before);
        const options: unknown = transform.options.parse(written);
        let plan: StreamPlan;
        beforeAll(async () => {
          const spec = (await specOf(transform, options, fields)) as object;
          const given = COMPONENTS.codecs['json']!.options.parse({ fields: { ...fields, [TIME]: 'date' } }) as object;
          const codec = { ...given, type: 'json' };
          // Event time is kept beside what the example has.
          const kept = type === 'keep' ? { ...spec, fields: [...(spec as { fields: string[] }).fields, TIME] } : spec;
          plan = streamPlan({ codec, transforms: [{ ...kept, type }] }, COMPONENTS);
        });

        test('becomes of a line what it says', () => {
          expect(transform.problems?.(options, fields) ?? []).toEqual([]);
          const wanted = Object.entries(plan.fields).flatMap(([name, fieldType]) =>
            name === TIME ? [] : [{ name, type: fieldType }],
          );
          const { decode, transform: run, batch, verdicts } = plan.reader(wanted, EVENT_TIME);
          decode(blockOf([JSON.stringify({ ...before, [TIME]: '2026-01-31T00:00:00Z' })]), batch);
          run(batch);
          const { fate } = verdicts[batch.verdict[0]!]!;
          if (after === null) expect(fate).toBe('filtered');
          else {
            const line = wanted.map(({ name, type: fieldType }, i) => {
              const value = cellAt(batch, batch.columns[i]!, 0, valueTypeOf(fieldType));
              return [name, typeof value === 'string' || value === null ? value : Number(value)];
            });
            expect([fate, Object.fromEntries(line)]).toEqual(['goes_on', after]);
          }
        });

        test('names only fields that are there, each with its place in the options', () => {
          const named = transform.named(options);
          expect(named.length > 0 || transform.resolve !== undefined).toBe(true);
          for (const { field, path, part } of named) {
            expect(Object.keys(before)).toContain(field);
            const at = part === 'key' ? path.at(-1) : path.reduce((value: any, step) => value[step], written);
            expect(at).toBe(field);
          }
        });

        test('keeps the type of what it passes on', () => {
          for (const [name, fieldType] of Object.entries(plan.fields)) {
            const origin = plan.originOf(name);
            if (Object.hasOwn(fields, origin)) expect(fieldType).toBe(fields[origin]);
          }
        });
      },
    );
  },
);
