import { describe, expect, test } from '@jest/globals';
import { combined } from '../../../src/codecs/combined.ts';
import { json } from '../../../src/codecs/json.ts';
import { textOf } from '../../../src/lib/text.ts';
import { Batch, type FieldType, LINE_VERDICTS } from '../../../src/record/batch.ts';
import { DocumentWriter, documentFields } from '../../../src/sinks/elasticsearch/document-writer.ts';
import { JsonWriter } from '../../../src/sinks/elasticsearch/json-writer.ts';
import { withoutNamedFields } from '../../../src/sinks/elasticsearch/refused-document.ts';

const SOURCE = '11c3bf69-c9d2-4791-9c52-239132814ab5/1';
const READ_AT = Date.UTC(2026, 10, 26);

/** The documents of the good lines of a text, and their line numbers. */
function documentsOf(
  text: string | Buffer,
  of: { fields: Readonly<Record<string, FieldType>>; eventTimeField: string },
  decoderOf: (request: {
    fields: { name: string; type: FieldType }[];
    eventTimeField: string;
  }) => (block: { bytes: Uint8Array; lines: number; start: number }, batch: Batch) => void,
  texts: string[] = [],
): Record<string, unknown>[] {
  const bytes = Buffer.from(text);
  const fields = documentFields(of.fields);
  const batch = new Batch(fields.map(({ type }) => type));
  decoderOf({ fields, eventTimeField: of.eventTimeField })(
    { bytes, lines: bytes.toString('latin1').split('\n').length - 1, start: 5 },
    batch,
  );
  const writer = new DocumentWriter('access', fields);
  const admitted = {
    batch,
    source: SOURCE,
    path: '/logs/a "b".log',
    readAtMs: READ_AT,
    verdicts: LINE_VERDICTS,
    detailOf: () => '',
    hashA: Uint32Array.from({ length: batch.length }, (_, i) => 0xffffffff - i),
    hashB: Uint32Array.from({ length: batch.length }, (_, i) => i),
  };
  writer.beginBlock(admitted);
  return Array.from({ length: batch.length }, (_, line) => line)
    .filter((line) => batch.verdict[line] === 0)
    .map((line) => {
      const out = new JsonWriter(8);
      writer.write(out, admitted, line);
      const text = out.bytes.toString('utf8', 0, out.length);
      texts.push(text);
      const names = [...text.matchAll(/[{,]"([a-z@_.]+)":/g)].map((match) => match[1]);
      // Elasticsearch refuses a document that says a name twice.
      expect(new Set(names).size).toBe(names.length);
      return JSON.parse(text) as Record<string, unknown>;
    });
}

describe('a document', () => {
  test.each(combined.examples)(
    'of a combined line has every field of the record that is not NULL: $title',
    (example) => {
      const [document] = documentsOf(
        `${example.line}\n`,
        { fields: combined.fields({}), eventTimeField: '@timestamp' },
        (request) => combined.compile({}, request),
      );
      const { '@timestamp': time, ...record } = example.record;
      expect(document).toEqual({
        'ecs.version': '9.2.0',
        'event.dataset': 'access',
        'event.created': '2026-11-26T00:00:00.000Z',
        'agent.id': '11c3bf69-c9d2-4791-9c52-239132814ab5',
        'log.file.path': '/logs/a "b".log',
        'log.offset': 5,
        'tailrace.hash_a': 0xffffffff,
        'tailrace.hash_b': 0,
        message: example.line,
        '@timestamp': new Date(Number(time)).toISOString(),
        ...Object.fromEntries(Object.entries(record).filter(([, value]) => value !== null)),
      });
    },
  );

  test('of a JSON line: its own message beside the line, types as declared, text that is no UTF-8 as tables show it', () => {
    const fields = {
      ts: 'date',
      message: 'keyword',
      ok: 'boolean',
      ratio: 'double',
      'agent.id': 'keyword',
      'tailrace.hash_a': 'long',
    } as const;
    const options = { fields, time_format: 'epoch_ms' as const };
    const line = Buffer.concat([
      Buffer.from('{"ts":1700000000000,"message":"a\\u00e9\\"'),
      Buffer.from([0xff]),
      Buffer.from('","ok":true,"ratio":-0.5,"agent":{"id":"theirs"},"tailrace.hash_a":1}'),
    ]);
    const [document] = documentsOf(
      Buffer.concat([line, Buffer.from('\n')]),
      { fields, eventTimeField: 'ts' },
      (request) => json.compile(options, request),
    );
    expect(document).toMatchObject({
      '@timestamp': '2023-11-14T22:13:20.000Z',
      ts: '2023-11-14T22:13:20.000Z',
      message: 'aé"\\xff',
      'event.original': textOf(line),
      ok: true,
      ratio: -0.5,
      'agent.id': 'theirs',
      'tailrace.hash_a': 0xffffffff,
    });
  });

  test('has every digit of a whole number, and names the fields whose number is too large for its type', () => {
    const fields = { ts: 'date', id: 'long', low: 'long', big: 'long', wide: 'double', n: 'long' } as const;
    const lines = [
      '{"ts":1,"id":9007199254740993,"low":-9223372036854775808,"big":9223372036854775808,"wide":1e999,"n":5}',
      '{"ts":1,"id":9223372036854775807,"low":-1,"n":0}',
      '{"ts":1,"id":7}',
    ];
    const texts: string[] = [];
    const documents = documentsOf(
      `${lines.join('\n')}\n`,
      { fields, eventTimeField: 'ts' },
      (request) => json.compile({ fields, time_format: 'epoch_ms' }, request),
      texts,
    );
    expect(texts[0]).toContain(',"id":9007199254740993,"low":-9223372036854775808,"n":5,');
    expect(documents[0]).toMatchObject({ 'tailrace.dropped_fields': ['big', 'wide'], message: lines[0] });
    expect(texts[1]).toContain(',"id":9223372036854775807,"low":-1,"n":0}');
    expect([documents[1], documents[2]].map((one) => one!['tailrace.dropped_fields'])).toEqual([undefined, undefined]);
    // What else is dropped on the way takes no digit from what stays.
    expect(withoutNamedFields(texts[0]!, 'failed to parse field [n]')).toContain(
      '"id":9007199254740993,"low":-9223372036854775808,',
    );
  });

  test('of a codec that declares all that a document says itself: JSON, each name once, and the line is there', () => {
    const fields = {
      ts: 'date',
      message: 'keyword',
      'event.original': 'keyword',
      'ecs.version': 'keyword',
      'event.dataset': 'keyword',
      'event.created': 'keyword',
      'agent.id': 'keyword',
      'log.file.path': 'keyword',
      'log.offset': 'long',
    } as const;
    const line = '{"ts":1,"message":"m","event":{"original":"theirs"},"log":{"offset":7}}';
    const [document] = documentsOf(`${line}\n`, { fields, eventTimeField: 'ts' }, (request) =>
      json.compile({ fields, time_format: 'epoch_ms' }, request),
    );
    expect(document).toEqual({
      '@timestamp': '1970-01-01T00:00:00.001Z',
      ts: '1970-01-01T00:00:00.001Z',
      message: 'm',
      'event.original': line,
      'log.offset': 7,
      'tailrace.hash_a': 0xffffffff,
      'tailrace.hash_b': 0,
    });
  });
});
