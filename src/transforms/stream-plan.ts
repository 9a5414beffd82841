import type { CodecDefinition, DecodeRequest, Decoder } from '../codecs/codec.ts';
import type { LineExplainer } from '../codecs/explanation.ts';
import type { EventTimeSpec, StreamSpec } from '../epoch/pipeline.ts';
import {
  type ColumnStep,
  MadeColumns,
  MadeFields,
  type Origins,
  type WantedField,
  originIn,
  originOfTree,
} from '../expressions/made-columns.ts';
import { assert, present } from '../lib/assert.ts';
import { Batch, type Field, type FieldType, type Fields, LINE_VERDICTS, type Verdict } from '../record/batch.ts';
import type { Shape, TransformDefinition } from './transform.ts';

/** What the lines of streams are read with, by type. */
export interface LineComponents {
  readonly codecs: Readonly<Record<string, CodecDefinition>>;
  /** Default: none. */
  readonly transforms?: Readonly<Record<string, TransformDefinition<any, any>>>;
}

/** The one answer to which fields a stream has, of what type, and how they are made. */
export interface StreamPlan {
  /** The fields behind the last transform, in order. Nobody can use others. */
  readonly fields: Fields;
  /** What a field of the stream is: a field of the codec by its name there, or an expression over them, in SQL. */
  originOf(field: string): string;
  /** The stream's name of a field of the codec: null where the transforms left it out, undefined where the codec has none of that name. */
  nameOf(codecField: string): string | null | undefined;
  /** What its transforms ask and make, as it is written, in order: a condition has no name. */
  readonly written: readonly WrittenStep[];
  /** The conditions that its lines have passed, over the codec's fields, in SQL. */
  readonly filters: readonly string[];
  /**
   * A reader of lines that makes these fields of the stream, one column each, in this order; of all others nothing is decoded. A field with an
   * expression is made of those of the stream, for the lines that go on.
   */
  reader(fields: readonly WantedField[], eventTime: EventTimeSpec): LineReader;
}

/** An expression of a transform. */
export interface WrittenStep {
  /** The field that it makes. */
  readonly name?: string;
  readonly type: FieldType;
  readonly text: string;
}

/** How the lines of a stream are read: `decode` fills the batch, `transform` decides which of its lines go on. */
export interface LineReader {
  readonly decode: Decoder;
  readonly transform: (batch: Batch) => void;
  /** Lines on which a field's expression lost its value (expressions/form.ts), since whoever reads this last emptied it. */
  readonly lostValues: Map<string, number>;
  readonly explain: LineExplainer | undefined;
  readonly batch: Batch;
  /** What each byte of `batch.verdict` says: the verdicts of every stream, then those of its transforms. */
  readonly verdicts: readonly Verdict[];
}

/** A transform of the stream, and the fields that it sees. */
interface Stage {
  readonly definition: TransformDefinition<any, any>;
  readonly options: unknown;
  readonly origins: Origins;
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
  const made = new MadeFields();
  let fields = decoded;
  let origins: Origins = new Map(Object.keys(decoded).map((field) => [field, field]));
  for (const { type: name, ...options } of stream.transforms ?? []) {
    const definition = present(components.transforms?.[name], `no transform ${name}`);
    const before = origins;
    const shape = definition.shape(options, fields);
    stages.push({ definition, options, origins: before, shape });
    const after = Object.entries(shape.after);
    origins = new Map(
      after.map(([field, one]) => [
        field,
        'made' in one ? made.add(one.made.tree, before, field) : originIn(before, one.from),
      ]),
    );
    fields = Object.fromEntries(after.map(([field, { type: fieldType }]) => [field, fieldType]));
  }
  return {
    fields,
    written: stages.flatMap(({ shape }) => writtenIn(shape)),
    filters: stages.flatMap(({ shape: { condition }, origins: of }) =>
      condition === undefined ? [] : [originOfTree(condition.tree, of)],
    ),
    originOf: (field) => originIn(origins, field),
    nameOf(codecField) {
      if (!Object.hasOwn(decoded, codecField)) return undefined;
      for (const [field, origin] of origins) if (origin === codecField) return field;
      return null;
    },
    reader(wanted, eventTime) {
      const all = new MadeFields(made);
      const columns = new MadeColumns(
        wanted.map((field) => {
          const { name, type: wantedType, expression } = field;
          assert(expression !== undefined || fields[name] === wantedType, `${name} is not a ${wantedType}`);
          return {
            ...field,
            origin: expression === undefined ? originIn(origins, name) : all.add(expression, origins),
          };
        }),
        decoded,
        all,
      );
      const program = compileStages(stages, columns);
      const places = columns.readPlaces;
      const request = decodeRequest(
        eventTime,
        places.map(({ field }) => field),
      );
      return {
        decode: codec.compile(codecOptions, request),
        ...program,
        explain: codec.explain?.(codecOptions, request),
        batch: new Batch(
          columns.types,
          undefined,
          places.map(({ place }) => place),
        ),
      };
    },
  };
}

function writtenIn({ condition, after }: Shape): WrittenStep[] {
  const asked: WrittenStep[] = condition === undefined ? [] : [{ type: 'boolean', text: condition.text }];
  const made = Object.entries(after).flatMap(([name, one]) =>
    'made' in one ? [{ name, type: one.type, text: one.made.text }] : [],
  );
  return [...asked, ...made];
}

/** What happens to a batch behind its decoder: each transform, and just before it the columns that it looks at; at last all others. */
function compileStages(
  stages: readonly Stage[],
  columns: MadeColumns,
): Pick<LineReader, 'transform' | 'verdicts' | 'lostValues'> {
  const verdicts = [...LINE_VERDICTS];
  const lostValues = new Map<string, number>();
  const note = (name: string, lines: number): void => {
    if (lines > 0) lostValues.set(name, (lostValues.get(name) ?? 0) + lines);
  };
  const stepsOf = (steps: readonly ColumnStep[]): ((batch: Batch) => void)[] =>
    steps.map((step) => (batch) => note(step.name, step.run(batch)));
  const runs = stages.flatMap(({ definition, options, origins, shape: { reads = [] } }) => {
    const columnOf = (field: string): number => {
      assert(reads.includes(field), `the ${definition.type} does not say that it reads ${field}`);
      return columns.placeOf(originIn(origins, field));
    };
    const steps = stepsOf(columns.stepsFor(reads.map((field) => originIn(origins, field))));
    const transform = definition.compile?.(options, columnOf);
    if (transform === undefined) return steps;
    const first = verdicts.length;
    verdicts.push(...transform.verdicts);
    return [...steps, (batch: Batch) => note(definition.type, transform.run(batch, first) ?? 0)];
  });
  runs.push(...stepsOf(columns.restSteps()));
  assert(verdicts.length <= VERDICTS_MAX, `${verdicts.length} verdicts do not fit a byte`);
  return {
    verdicts,
    lostValues,
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
