import type { CodecDefinition, DecodeRequest, Decoder } from '../codecs/codec.ts';
import type { LineExplainer } from '../codecs/explanation.ts';
import type { EventTimeSpec, StreamSpec } from '../epoch/pipeline.ts';
import { assert, present } from '../lib/assert.ts';
import { Batch, type Field, type Fields, LINE_VERDICTS, type Verdict } from '../record/batch.ts';
import type { Shape, TransformDefinition } from './transform.ts';

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

/** How the lines of a stream are read: `decode` fills the batch, `transform` decides which of its lines go on. */
export interface LineReader {
  readonly decode: Decoder;
  readonly transform: (batch: Batch) => void;
  readonly explain: LineExplainer | undefined;
  readonly batch: Batch;
  /** What each byte of `batch.verdict` says: the verdicts of every stream, then those of its transforms. */
  readonly verdicts: readonly Verdict[];
}

/** A transform of the stream, and the codec's names of the fields that it sees. */
interface Stage {
  readonly definition: TransformDefinition;
  readonly options: unknown;
  readonly origins: ReadonlyMap<string, string>;
  readonly shape: Shape;
}

/** Verdicts are bytes. */
const VERDICTS_MAX = 256;

/** The plan of a stream that was checked: its transforms name only fields that are there. */
export function streamPlan(stream: Pick<StreamSpec, 'codec' | 'transforms'>, components: LineComponents): StreamPlan {
  const { type, ...codecOptions } = stream.codec;
  const codec = present(components.codecs[type], `no codec ${type}`);
  const decoded = codec.fields(codecOptions);
  const stages: Stage[] = [];
  let fields = decoded;
  let origins = new Map(Object.keys(decoded).map((field) => [field, field]));
  for (const { type: name, ...options } of stream.transforms ?? []) {
    const definition = present(components.transforms?.[name], `no transform ${name}`);
    const shape = definition.shape(options, fields);
    const before = origins;
    stages.push({ definition, options, origins: before, shape });
    const after = Object.entries(shape.after);
    origins = new Map(after.map(([field, { from }]) => [field, present(before.get(from), `no field ${from}`)]));
    fields = Object.fromEntries(after.map(([field, { type: fieldType }]) => [field, fieldType]));
  }
  const originOf = (field: string): string => originIn(origins, field);
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
      const columns = codecColumns(
        wanted.map(({ name }) => originOf(name)),
        stages,
      );
      const columnFields = columns.map((name) => ({ name, type: decoded[name]! }));
      const request = decodeRequest(eventTime, columnFields);
      return {
        decode: codec.compile(codecOptions, request),
        ...compileStages(stages, columns),
        explain: codec.explain?.(codecOptions, request),
        batch: new Batch(columnFields.map((field) => field.type)),
      };
    },
  };
}

/** The fields to decode: first those that are wanted, in their order, then what transforms look at besides. */
function codecColumns(wanted: readonly string[], stages: readonly Stage[]): string[] {
  const read = stages.flatMap(({ shape, origins }) => shape.reads?.map((field) => originIn(origins, field)) ?? []);
  return [...new Set([...wanted, ...read])];
}

function originIn(origins: ReadonlyMap<string, string>, field: string): string {
  return present(origins.get(field), `the stream has no field ${field}`);
}

function compileStages(
  stages: readonly Stage[],
  columns: readonly string[],
): Pick<LineReader, 'transform' | 'verdicts'> {
  const verdicts = [...LINE_VERDICTS];
  const runs = stages.flatMap(({ definition, options, origins }) => {
    const columnOf = (field: string): number => {
      const column = columns.indexOf(originIn(origins, field));
      assert(column >= 0, `the ${definition.type} does not say that it reads ${field}`);
      return column;
    };
    const transform = definition.compile?.(options, columnOf);
    if (transform === undefined) return [];
    const first = verdicts.length;
    verdicts.push(...transform.verdicts);
    return [(batch: Batch) => transform.run(batch, first)];
  });
  assert(verdicts.length <= VERDICTS_MAX, `${verdicts.length} verdicts do not fit a byte`);
  return {
    verdicts,
    transform(batch) {
      for (const run of runs) run(batch);
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
