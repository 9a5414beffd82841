import type { AggregateDefinition } from '../aggregates/aggregate.ts';
import type { Assignment, Log } from '../broker/broker.ts';
import { PART_BYTES_MAX } from '../epoch/codec.ts';
import type { Pipeline } from '../epoch/pipeline.ts';
import type { Clock } from '../lib/clock.ts';
import type { Meter } from '../metrics/meter.ts';
import type { OperatorDefinition } from '../operators/operator.ts';
import type { LineComponents } from '../transforms/stream-plan.ts';
import type { TaskKind } from './task-kind.ts';

export interface CheckpointOptions {
  readonly intervalMs: number;
  readonly minPauseMs: number;
  readonly timeoutMs: number;
  /** How long positions may move without an epoch when nothing was decided. */
  readonly positionsIntervalMs: number;
}

export interface EngineOptions {
  readonly pipeline: Pipeline;
  readonly topicPrefix: string;
  readonly checkpoint: CheckpointOptions;
  /** A snapshot is due after this many bytes of epochs, or four times the last snapshot, whichever is more. */
  readonly snapshotBytes: number;
  /** Larger epochs go in parts. */
  readonly partBytesMax: number;
  /** Raw messages younger than this are never trimmed. */
  readonly retainMs: number;
  /** Whether this engine may switch the log to its pipeline; otherwise a pipeline that differs from the log's is an error. Only `run` may. */
  readonly maySwitch: boolean;
  /**
   * The generation its pipeline has (`runGeneration`). A partition that carries another pipeline under this number or a later one belongs to a
   * newer run: `SUPERSEDED`. Undefined: one more than the partition's own, whatever that is.
   */
  readonly generation?: number;
  /** `run --once`: every position counts at once, since somebody waits for it. */
  readonly isOnce: boolean;
}

/** What is not said on the command line or in the configuration. */
export const ENGINE_DEFAULTS = {
  checkpoint: { intervalMs: 1_000, minPauseMs: 0, timeoutMs: 60_000, positionsIntervalMs: 30_000 },
  snapshotBytes: 64 * 1024 * 1024,
  partBytesMax: PART_BYTES_MAX,
  retainMs: 7 * 24 * 3600 * 1000,
  maySwitch: false,
  isOnce: false,
} as const;

/** What an engine and its tasks are made of. */
export interface EngineParts extends LineComponents {
  readonly clock: Clock;
  readonly log: Log;
  /** 128 random bits as 32 hex digits. */
  readonly newId: () => string;
  readonly assignment: Assignment;
  readonly aggregates: Readonly<Record<string, AggregateDefinition>>;
  /** By type. */
  readonly operators: Readonly<Record<string, OperatorDefinition>>;
  readonly options: EngineOptions;
  /** Where tasks measure themselves. */
  readonly meter?: Meter;
  /** What the tasks work for. Default: the pipeline's rollups. */
  readonly kind?: TaskKind;
}
