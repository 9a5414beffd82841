import fc from 'fast-check';
import { expect, test } from '@jest/globals';
import type { CodecDefinition } from '../../src/codecs/codec.ts';
import { COMPONENTS } from '../../src/components.ts';
import type { EventTimeSpec, TransformSpec } from '../../src/epoch/pipeline.ts';
import type { Field } from '../../src/record/batch.ts';
import { streamPlan } from '../../src/transforms/stream-plan.ts';
import { blockOf, decodeBlock, requestAll } from '../support/decoded.ts';
import { plainTransforms } from '../support/plain-transforms.ts';

const RUNS = process.env['TAILRACE_SOAK'] === '1' ? 20_000 : 500;
const CLOCK = { outOfOrdernessMs: 0, idleTimeoutMs: 1, maxFutureMs: 1, agentLostTimeoutMs: 1 };

/** One more transform of a stream with these fields; `time` keeps its name. */
function transformOf(fields: readonly string[], time: string | undefined): fc.Arbitrary<TransformSpec> {
  const free = fields.filter((field) => field !== time);
  const some = fc.shuffledSubarray(free, { minLength: Math.min(1, free.length) });
  const renamed = some.chain((names) => {
    // New names, and names that change hands.
    const targets = fc.shuffledSubarray([...names, ...names.map((name) => `${name}'`)], {
      minLength: names.length,
      maxLength: names.length,
    });
    return targets.map((to) => ({
      type: 'rename',
      fields: Object.fromEntries(names.map((name, i) => [name, to[i]!])),
    }));
  });
  return fc.oneof(
    renamed,
    some.map((names) => ({ type: 'drop', fields: names })),
    some.map((names) => ({ type: 'keep', fields: time === undefined ? names : [...names, time] })),
  );
}

test.each(
  (Object.values(COMPONENTS.codecs) as unknown as readonly CodecDefinition[]).map(
    (codec) => [codec.type, codec] as const,
  ),
)('%s: what a plan decodes of some fields is what the transforms make of all', (type, codec) => {
  const [{ options: given }] = codec.examples as unknown as [{ options: unknown }];
  const options = codec.options.parse(given);
  const spec = { type, ...(options as object) };
  const lines = [...codec.examples.map(({ line }) => Buffer.from(line).toString('latin1')), 'no line'];
  const block = blockOf(lines);
  const request = requestAll(codec, options);
  const { eventTimeField } = request;
  const eventTime: EventTimeSpec = { field: eventTimeField ?? 'read_at', ...CLOCK };
  const whole = decodeBlock(codec.interpret(options, request), block, request);
  const lists = fc.array(fc.integer(), { maxLength: 4 }).chain((seeds) =>
    seeds.reduce<fc.Arbitrary<TransformSpec[]>>(
      (before) =>
        before.chain((transforms) => {
          const fields = Object.keys(streamPlan({ codec: spec, transforms }, COMPONENTS).fields);
          return transformOf(fields, eventTimeField).map((next) => [...transforms, next]);
        }),
      fc.constant([]),
    ),
  );
  const cases = lists.chain((transforms) => {
    const { fields } = streamPlan({ codec: spec, transforms }, COMPONENTS);
    const all: Field[] = Object.entries(fields).map(([name, fieldType]) => ({ name, type: fieldType }));
    return fc.record({ transforms: fc.constant(transforms), wanted: fc.shuffledSubarray(all) });
  });
  fc.assert(
    fc.property(cases, ({ transforms, wanted }) => {
      const plan = streamPlan({ codec: spec, transforms }, COMPONENTS);
      const { decode } = plan.reader(wanted, eventTime);
      const decoded = decodeBlock(decode, block, { ...request, fields: wanted });
      const expected = whole.map((line) => {
        const made = plainTransforms(line.record, transforms);
        if (line.reason === 'none') expect(Object.keys(made).sort()).toEqual(Object.keys(plan.fields).sort());
        const record = line.reason === 'none' ? wanted.map(({ name }) => [name, made[name]!] as const) : [];
        return { ...line, record: Object.fromEntries(record) };
      });
      expect(decoded).toEqual(expected);
    }),
    { seed: 11, numRuns: RUNS },
  );
});
