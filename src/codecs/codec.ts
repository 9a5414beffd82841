import type { z } from 'zod';
import type { Batch, Field, Fields } from '../record/batch.ts';
import type { LineExplainer } from './explanation.ts';

/** The lines of one block as a decoder gets them. */
export interface BlockLines {
  /** The block's value. */
  readonly bytes: Uint8Array;
  readonly lines: number;
  /** Source offset of `bytes[0]`, where lines are contiguous. */
  readonly start: number;
  /** Source offset of each line, where they are not. */
  readonly offsets?: readonly number[];
  /** Length of each line in `bytes`, newline excluded, where a line may hold one. */
  readonly lengths?: readonly number[];
}

/** What the pipeline wants of each line: only these fields are decoded. */
export interface DecodeRequest {
  /** The field that becomes `Batch.eventTimeMs`; undefined when processing time is used (the caller fills it). */
  readonly eventTimeField?: string;
  /** The projected fields, one batch column each, in this order. */
  readonly fields: readonly Field[];
  /** The zone of times that are written without one, a name of the time zone data; UTC by default. */
  readonly timeZone?: string;
}

/**
 * Fills `batch` with every line of the block: line bounds, offsets, event time, columns, and a verdict on each line.
 * A bad line is never thrown. The columns of a bad line hold nothing to rely on. Synchronous; keeps nothing of its arguments.
 * The caller has made the batch with the request's field types, in order, and has NOT called `reset`: the decoder does.
 */
export type Decoder = (lines: BlockLines, batch: Batch) => void;

/**
 * A codec: how the lines of one kind of log become columns. One file holds its options, docs, examples and both decoders:
 * `compile` makes the fast one as generated code for one request; `interpret` is the slow plain one, its oracle.
 */
export interface CodecDefinition<Options = unknown> {
  readonly type: string;
  readonly summary: string;
  readonly options: z.ZodType<Options>;
  /** The fields a line of this codec has, with their types. What a stream has of them says `streamPlan` (transforms/stream-plan.ts). */
  fields(options: Options): Fields;
  /** The field that is event time when the stream names none. */
  readonly defaultEventTimeField?: string;
  compile(options: Options, request: DecodeRequest): Decoder;
  interpret(options: Options, request: DecodeRequest): Decoder;
  /** Says of a line that `compile` refuses which field broke, and where. Without it, dead letters have no detail. */
  explain?(options: Options, request: DecodeRequest): LineExplainer;
  /** Options with which a decoder tells its own lines from others, whatever fields they have: where nothing is configured, the codec with the most lines wins. */
  readonly probe: Options;
  /** Whether its times may be written without a zone. */
  readonly hasLocalTimes?: boolean;
  /** Whether its lines are JSON: newlines between tokens may then be blanks, and an envelope of JSON may hold a line. */
  readonly isJson?: boolean;
  readonly examples: readonly CodecExample<Options>[];
}

export interface CodecExample<Options = unknown> {
  readonly title: string;
  readonly options: Options;
  readonly line: string;
  /** Field values; `@timestamp` and other dates in milliseconds, NULL as null. */
  readonly record: Readonly<Record<string, string | number | null>>;
}
