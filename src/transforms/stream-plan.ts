import type { CodecDefinition, DecodeRequest, Decoder } from '../codecs/codec.ts';
import type { LineExplainer } from '../codecs/explanation.ts';
import type { EventTimeSpec, StreamSpec } from '../epoch/pipeline.ts';
import { assert, present } from '../lib/assert.ts';
import { Batch, type Field, type Fields } from '../record/batch.ts';
import type { TransformDefinition } from './transform.ts';

/** What the lines of streams are read with, by type. */
export interface LineComponents {
  readonly codecs: Readonly<Record<string, CodecDefinition>>;
  /** Default: none. */
  readonly transforms?: Readonly<Record<string, TransformDefinition>>;
}

/** The one answer to which fields a stream has, of what type, and how they are made. */
export interface StreamPlan {
  /** The fields behind the last transform, in order. Nobody can use others. */
  readonly fields: Fields;
  /** The codec's name of a field of the stream. */
  originOf(field: string): string;
  /** The stream's name of a field of the codec: null where the transforms left it out, undefined where the codec has none of that name. */
  nameOf(codecField: string): string | null | undefined;
  /** A reader of lines that makes these fields of the stream, one column each, in this order; of all others nothing is decoded. */
  reader(fields: readonly Field[], eventTime: EventTimeSpec): LineReader;
}

export interface LineReader {
  readonly decode: Decoder;
  readonly explain: LineExplainer | undefined;
  /** What `decode` fills. */
  readonly batch: Batch;
}

/** The plan of a stream that was checked: its transforms name only fields that are there. */
export function streamPlan(stream: Pick<StreamSpec, 'codec' | 'transforms'>, components: LineComponents): StreamPlan {
  const { type, ...codecOptions } = stream.codec;
  const codec = present(components.codecs[type], `no codec ${type}`);
  const decoded = codec.fields(codecOptions);
  let fields = decoded;
  let origins = new Map(Object.keys(decoded).map((field) => [field, field]));
  for (const { type: name, ...options } of stream.transforms ?? []) {
    const transform = present(components.transforms?.[name], `no transform ${name}`);
    const after = Object.entries(transform.shape(options, fields).after);
    const before = origins;
    origins = new Map(after.map(([field, { from }]) => [field, present(before.get(from), `no field ${from}`)]));
    fields = Object.fromEntries(after.map(([field, { type: fieldType }]) => [field, fieldType]));
  }
  const originOf = (field: string): string => present(origins.get(field), `the stream has no field ${field}`);
  return {
    fields,
    originOf,
    nameOf(codecField) {
      if (!Object.hasOwn(decoded, codecField)) return undefined;
      for (const [field, origin] of origins) if (origin === codecField) return field;
      return null;
    },
    reader(wanted, eventTime) {
      for (const { name, type: wantedType } of wanted)
        assert(fields[name] === wantedType, `${name} is no ${wantedType}`);
      const request = decodeRequest(
        eventTime,
        wanted.map((field) => ({ ...field, name: originOf(field.name) })),
      );
      return {
        decode: codec.compile(codecOptions, request),
        explain: codec.explain?.(codecOptions, request),
        batch: new Batch(wanted.map((field) => field.type)),
      };
    },
  };
}

function decodeRequest({ field, timeZone }: EventTimeSpec, fields: readonly Field[]): DecodeRequest {
  return {
    fields,
    ...(field === 'read_at' ? {} : { eventTimeField: field }),
    ...(timeZone === undefined ? {} : { timeZone }),
  };
}
