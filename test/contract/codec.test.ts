import { describe, expect, test } from '@jest/globals';
import type { CodecDefinition, CodecExample } from '../../src/codecs/codec.ts';
import { COMPONENTS } from '../../src/components.ts';
import { FIELD_TYPES } from '../../src/record/batch.ts';
import { blockOf, decodeBlock, requestAll } from '../support/decoded.ts';

/** Every codec keeps what the port says, shown on its own examples. */
describe.each(
  Object.values(COMPONENTS.codecs).map((codec) => [codec.type, codec as unknown as CodecDefinition] as const),
)('codec %s', (_, codec) => {
  const lineOf = ({ line }: CodecExample) => Buffer.from(line).toString('latin1');
  const latin1 = (value: string | number | null) =>
    typeof value === 'string' ? Buffer.from(value).toString('latin1') : value;

  test.each(codec.examples.map((example) => [example.title, example] as const))('example: %s', (_title, example) => {
    const options = codec.options.parse(example.options);
    const request = requestAll(codec, options);
    const block = blockOf([lineOf(example)]);
    for (const decoder of [codec.compile(options, request), codec.interpret(options, request)]) {
      const [line] = decodeBlock(decoder, block, request);
      expect(line!.reason).toBe('none');
      for (const [field, value] of Object.entries(example.record)) expect(line!.record[field]).toBe(latin1(value));
    }
  });

  test('has examples, fields of known types, and an event time that is a date', () => {
    expect(codec.examples.length).toBeGreaterThan(0);
    for (const { options } of codec.examples) {
      const fields = codec.fields(codec.options.parse(options));
      for (const type of Object.values(fields)) expect(FIELD_TYPES).toContain(type);
      const time = codec.defaultEventTimeField;
      if (time !== undefined && Object.hasOwn(fields, time)) expect(fields[time]).toBe('date');
    }
  });

  test('tells its own lines, whatever ends them, from those of another codec', () => {
    const decoder = codec.compile(codec.probe, { fields: [] });
    const taken = (texts: readonly string[]) =>
      decodeBlock(decoder, blockOf(texts), { fields: [] }).filter(({ reason }) => reason !== 'malformed').length;
    for (const other of Object.values(COMPONENTS.codecs) as unknown as readonly CodecDefinition[]) {
      const lines = other.examples.map(lineOf);
      expect(taken(lines)).toBe(other === codec ? lines.length : 0);
      expect(taken(lines.map((line) => `${line}\r`))).toBe(other === codec ? lines.length : 0);
    }
    expect(taken(['', 'no such line'])).toBe(0);
  });

  test('decodes an empty block', () => {
    const { options } = codec.examples[0]!;
    const request = requestAll(codec, codec.options.parse(options));
    expect(decodeBlock(codec.compile(codec.options.parse(options), request), blockOf([]), request)).toEqual([]);
  });
});
