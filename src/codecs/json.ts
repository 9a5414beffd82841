import { z } from 'zod';
import { assert } from '../lib/assert.ts';
import { FIELD_TYPES, type FieldType } from '../record/batch.ts';
import type { CodecDefinition, DecodeRequest, Decoder } from './codec.ts';
import type { LineExplainer } from './explanation.ts';
import { fieldName } from './field-name.ts';
import { generateDecoder } from './generated-decoder.ts';
import { jsonExplainer } from './json-explainer.ts';
import { jsonParser } from './json-interpreter.ts';
import { jsonParts } from './json-source.ts';
import { interpretLines } from './lines.ts';
import { TIME_FORMATS, type TimeReader, timeReader } from './times/reader.ts';

const options = z.strictObject({
  fields: z
    .record(fieldName, z.enum(FIELD_TYPES, { error: () => `expects one of ${FIELD_TYPES.join(', ')}` }), {
      error: () => 'expects a map: field → type',
    })
    .describe(
      'The fields to find in each line, with their types. `http.method` is found nested and as a key with a dot.',
    ),
  time_format: z
    .enum(TIME_FORMATS, { error: () => `expects one of ${TIME_FORMATS.join(', ')}` })
    .prefault('auto')
    .describe(
      [
        'How fields of type `date` are written. `auto`: any of these, told apart value by value.',
        '`iso`: ISO 8601, a date (`2015-05-17`, `20150517`, `2015-137`, `2015-W20-7`, `2015/05/17`) alone or with a time to the hour, minute or second after `T` or a blank, extended or basic, a fraction of a second of any length after a dot or comma, and a zone (`Z`, `+03`, `+0300`, `+03:00`, `UTC`, `GMT`; `[Europe/Berlin]` behind it or alone).',
        '`rfc2822`: `Sun, 17 May 2015 10:05:03 +0200`, as RFC 822 and HTTP have it, too. `clf`: `17/May/2015:10:05:03 +0200`, in brackets or not.',
        '`epoch_s`, `epoch_ms`, `epoch_us`, `epoch_ns`: a number since 1970, also in quotes; with `auto` the digits before the point tell the unit (9 to 11: s, to 14: ms, to 17: µs, to 20: ns), so from March 1973 on.',
        'Whatever is less than a millisecond is cut. Without a zone it is `event_time.time_zone`.',
      ].join(' '),
    ),
});
type JsonOptions = z.output<typeof options>;

/**
 * One JSON object a line (RFC 8259; whatever else is on the line is malformed, as is nesting beyond 64). A field is found by the
 * keys on the way to it, joined by dots; inside arrays there are none. What is found last in the line counts. A value that is
 * not of the declared type is NULL, the rest of the line stays:
 * - `keyword`: a string; a number, `true` and `false` as they are written. `ip`: a string that is an address, in the one way to write it.
 * - `long`: a whole number of 64 bits, exact, also in quotes (`200.0` and `2e2` are 200). `double`: a number, likewise. One that is too large
 *   for its type is there and not known (±Infinity): a result that depends on it is NULL with `overflow`, a key of it goes to `is_other`. As
 *   `keyword` every digit stays.
 * - `boolean`: `true`, `false`, also in quotes. `date`: by `time_format` (times/reader.ts); numbers also in quotes.
 * Invalid UTF-8 in strings is kept; a lone surrogate (`\ud800`) becomes the three bytes of its code point (WTF-8).
 */
export const json: CodecDefinition<JsonOptions> = {
  type: 'json',
  isJson: true,
  summary: 'One JSON object a line, with declared fields.',
  options,
  defaultEventTimeField: '@timestamp',
  fields: ({ fields }) => fields,
  compile(given, request): Decoder {
    checkRequest(given, request);
    const times = timesOf(given, request);
    return generateDecoder(request, jsonParser(given.fields, times), jsonParts(times, request));
  },
  interpret(given, request): Decoder {
    checkRequest(given, request);
    const parse = jsonParser(given.fields, timesOf(given, request));
    return (block, batch) => interpretLines(block, batch, request, parse);
  },
  explain(given, request): LineExplainer {
    checkRequest(given, request);
    const { eventTimeField: field } = request;
    if (field === undefined) return jsonExplainer(undefined);
    return jsonExplainer({ field, format: given.time_format, times: timesOf(given, request) });
  },
  hasLocalTimes: true,
  probe: { fields: {}, time_format: 'auto' },
  examples: [
    {
      title: 'nested and dotted keys, a number in quotes',
      options: {
        fields: {
          '@timestamp': 'date',
          'http.response.status_code': 'long',
          'url.path': 'keyword',
          duration: 'double',
        },
        time_format: 'auto',
      },
      line: String.raw`{"@timestamp":"2015-05-17T10:05:03.250+02:00","http":{"response":{"status_code":"200"}},"url.path":"\/a\u00e9","duration":0.25}`,
      record: {
        '@timestamp': Date.UTC(2015, 4, 17, 8, 5, 3, 250),
        'http.response.status_code': 200,
        'url.path': '/aé',
        duration: 0.25,
      },
    },
    {
      title: 'times in seconds; a value of another type is NULL',
      options: { fields: { ts: 'date', bytes: 'long', user: 'keyword', ok: 'boolean' }, time_format: 'epoch_s' },
      line: '{"ts": 1431857103.5, "bytes": "many", "user": 17, "ok": true, "more": [{"bytes": 1}]}',
      record: { ts: 1431857103500, bytes: null, user: '17', ok: 1 },
    },
  ],
};

function timesOf({ time_format: format }: JsonOptions, { timeZone }: DecodeRequest): TimeReader {
  return timeReader(format, timeZone ?? 'UTC');
}

function checkRequest({ fields }: JsonOptions, request: DecodeRequest): void {
  const typeOf = (name: string): FieldType | undefined => (Object.hasOwn(fields, name) ? fields[name] : undefined);
  for (const { name, type } of request.fields) assert(typeOf(name) === type, `JSON field ${name} of type ${type}`);
  const { eventTimeField } = request;
  assert(eventTimeField === undefined || typeOf(eventTimeField) === 'date', `JSON event time ${eventTimeField}`);
}
