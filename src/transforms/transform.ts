import type { z } from 'zod';
import type { Tree, ValueType, WrittenExpression } from '../expressions/tree.ts';
import type { Batch, FieldType, Fields, Verdict } from '../record/batch.ts';

/**
 * A transform: what happens to the lines of a stream between its codec and everybody who reads the stream, tables and documents alike. A
 * stream has a list of them; each sees the fields that the one before it left. One file holds its options, docs, examples and code. `Spec` is what
 * the pipeline keeps of its options.
 */
export interface TransformDefinition<Options = unknown, Spec = Options> {
  readonly type: string;
  readonly summary: string;
  readonly options: z.ZodType<Options>;
  /** Every field the options name outside of expressions, with its place in them. Before it can be used, all of them are there. */
  named(options: Options): readonly FieldPlace[];
  /** What is wrong with the options besides fields that are not there. */
  problems?(options: Options, before: Fields): readonly TransformProblem[];
  /** Its options with their expressions read. Undefined where one of them cannot be used. Default: the options as they are. */
  resolve?(options: Options, read: ReadExpression): Spec | undefined;
  /** The fields behind it. The options have no problems. */
  shape(spec: Spec, before: Fields): Shape;
  /** What it does to each batch; left out where its shape says everything. `columnOf` knows the fields that the shape reads. */
  compile?(spec: Spec, columnOf: (field: string) => number): BatchTransform;
  readonly examples: readonly TransformExample<Options>[];
}

/** Reads an expression over the fields before the transform; undefined where it cannot be used, which is said already. `type`: what it must be. */
export type ReadExpression = (place: OptionPlace, text: string, type?: ValueType) => Tree | undefined;

/** A place in the options of a transform, and whether the key there is meant or its value. */
export interface OptionPlace {
  readonly path: readonly (string | number)[];
  readonly part: 'key' | 'value';
}

export interface FieldPlace extends OptionPlace {
  readonly field: string;
}

export interface TransformProblem extends OptionPlace {
  /** What is wrong, in one line without a full stop. */
  readonly message: string;
  /** What to write instead. */
  readonly hint: string;
}

export interface Shape {
  /** The fields behind it by name, in order. */
  readonly after: Readonly<Record<string, FieldAfter>>;
  /** The fields it looks at in every line, by their names before it. Default: none. */
  readonly reads?: readonly string[];
  /** Lines for which it is not true do not go on: behind another condition, a table is another one. */
  readonly condition?: WrittenExpression;
}

/** A field that was there before it, maybe under another name; or what an expression makes of them. */
export type FieldAfter =
  | { readonly type: FieldType; /** The field before it whose value this is. */ readonly from: string }
  | { readonly type: FieldType; readonly made: WrittenExpression };

/** A transform at work. */
export interface BatchTransform {
  /** What it may decide of a line. */
  readonly verdicts: readonly Verdict[];
  /**
   * Looks at the lines of a batch whose verdict is 0, and sets it to `first` + the place in `verdicts` where it decides otherwise. Event time
   * is judged before, and has moved the watermark. Synchronous; keeps nothing of its arguments. Gives the lines on which an expression lost its
   * value, where it has one.
   */
  run(batch: Batch, first: number): number | void;
}

export interface TransformExample<Options = unknown> {
  readonly title: string;
  readonly options: Options;
  readonly before: Readonly<Record<string, string | number | null>>;
  /** Null: the line does not go on. A condition is 1 or 0. */
  readonly after: Readonly<Record<string, string | number | null>> | null;
}
