import type { WrittenExpression } from '../expressions/tree.ts';
import { assert } from '../lib/assert.ts';
import type { DerivedSpec, KeySpec, MeasureSpec, RowSchema } from './table.ts';

/**
 * The normalised pipeline: what the configuration means, with every default filled in and every name resolved. It travels in the
 * snapshot that switches to it, and sinks make their tables from there, never from a configuration of their own.
 */
export interface Pipeline {
  readonly version: 1;
  readonly name: string;
  readonly streams: Readonly<Record<string, StreamSpec>>;
  readonly rollups: Readonly<Record<string, RollupSpec>>;
  /** Version of the time zone data that windows go by; left out where none does. Another version is another pipeline, and the same rollups. */
  readonly timeZoneData?: string;
  /** Table → what its rows look like: of every rollup, and what operators keep beside. */
  readonly tables: Readonly<Record<string, RowSchema>>;
}

/** The table that a rollup reads; undefined where it reads a stream. */
export function inputTable(rollups: Pipeline['rollups'], name: string): string | undefined {
  const { from } = rollups[name]!;
  return from !== name && Object.hasOwn(rollups, from) ? from : undefined;
}

/** The names of rollups, each behind the one whose table it reads; otherwise in their own order. */
export function inReadingOrder(rollups: Pipeline['rollups']): string[] {
  const names = Object.keys(rollups);
  const depthOf = (name: string): number => {
    let depth = 0;
    for (let at = inputTable(rollups, name); at !== undefined; at = inputTable(rollups, at)) {
      assert(++depth < names.length, `table ${name} does not read itself`);
    }
    return depth;
  };
  const depths = new Map(names.map((name) => [name, depthOf(name)]));
  return names.sort((left, right) => depths.get(left)! - depths.get(right)!);
}

export interface StreamSpec {
  readonly partitions: number;
  /** `type` names the codec, the rest are its options. */
  readonly codec: Readonly<Record<string, unknown>> & { readonly type: string };
  /** What happens to its fields, in order; left out where there is nothing. */
  readonly transforms?: readonly TransformSpec[];
  readonly eventTime: EventTimeSpec;
}

/** `type` names the transform, the rest are its options. */
export type TransformSpec = Readonly<Record<string, unknown>> & { readonly type: string };

export interface EventTimeSpec {
  /** A field of the codec, or `read_at` for processing time. */
  readonly field: string;
  /** Of times that are written without a zone; UTC where it is left out. */
  readonly timeZone?: string;
  readonly outOfOrdernessMs: number;
  readonly idleTimeoutMs: number;
  readonly maxFutureMs: number;
  readonly agentLostTimeoutMs: number;
}

export interface RollupSpec {
  /** A stream, or another table whose final rows it reads. */
  readonly from: string;
  readonly by: readonly KeySpec[];
  readonly window: WindowSpec;
  readonly allowedLatenessMs: number;
  /** Keys that get a row of their own, of one window in one partition; the lines of all others share one row. */
  readonly rowsMax: number;
  readonly measures: readonly MeasureSpec[];
  /** Measures that are made of others, each after those that it names; left out where there are none. */
  readonly derived?: readonly DerivedSpec[];
  /** The condition of its lines; left out where it takes all of them. */
  readonly where?: WrittenExpression;
  /** What the fields it uses are in the codec's terms, where a transform makes them or calls them otherwise: another field under the same name makes another rollup. */
  readonly origins?: Readonly<Record<string, string>>;
  /** The conditions that the stream's lines have passed, in SQL over the codec's fields: behind others, it is another rollup. */
  readonly filters?: readonly string[];
}

/** `type` names the operator, the rest is its own (operators/). */
export type WindowSpec = Readonly<Record<string, unknown>> & { readonly type: string };

/** Which task of which pipeline wrote an epoch. */
export interface TaskId {
  readonly pipeline: string;
  readonly stream: string;
  readonly partition: number;
}
