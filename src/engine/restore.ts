import type { PartitionEnds } from '../broker/broker.ts';
import { headerAt } from '../broker/header-at.ts';
import { pastTrims } from '../broker/past-trims.ts';
import type { EpochBody } from '../epoch/epoch.ts';
import { fingerprints, isSamePipeline } from '../epoch/fingerprint.ts';
import { noSnapshotError } from '../epoch/fold-start.ts';
import type { CountedEpoch } from '../epoch/fold.ts';
import {
  type Pipeline,
  type RollupSpec,
  type TaskId,
  type WindowSpec,
  inReadingOrder,
  inputTable,
} from '../epoch/pipeline.ts';
import { EpochWalk, nameOf } from '../epoch/walk.ts';
import { present } from '../lib/assert.ts';
import { EXIT, OperatingError } from '../lib/errors.ts';
import { hash64 } from '../lib/hash.ts';
import { decodeBeat } from '../record/beat.ts';
import { decodeGenesis } from '../record/control.ts';
import type { OperatorDefinition } from '../operators/operator.ts';
import type { LineComponents } from '../transforms/stream-plan.ts';
import { buildState } from './build-state.ts';
import type { EngineParts } from './engine-parts.ts';
import { changedMeanwhile, readHistory } from './read-epochs.ts';
import type { TaskState } from './state.ts';
import type { TaskKind } from './task-kind.ts';

export interface RestoreRequest
  extends LineComponents, Pick<EngineParts, 'log' | 'aggregates' | 'operators' | 'options'> {
  readonly task: TaskId;
  readonly rawTopic: string;
  readonly epochTopic: string;
  /** Default: the pipeline's rollups. */
  readonly kind?: TaskKind;
  /** What the generation before had begun outside of the log is finished: a changed pipeline may begin. */
  readonly isFinished?: boolean;
}

export interface Restored {
  readonly state: TaskState;
  /** Stands at the end of the epoch partition, envelopes only. */
  readonly walk: EpochWalk;
  readonly rawLog: string;
  /** Where raw ended when everything was folded. */
  readonly rawEnd: number;
  /** First offsets of counted snapshots, oldest first. */
  readonly snapshots: readonly number[];
  readonly epochs: number;
  readonly bytesSinceSnapshot: number;
  readonly snapshotBytes: number;
  /** The next epoch must be a snapshot that carries the pipeline: a new pipeline, or a changed one. */
  readonly isSwitch: boolean;
  /**
   * Set where the pipeline changes and the task has effects outside of the log: the state is still the former pipeline's, which first takes
   * every raw message below this offset. An earlier task of it may have done that without living to say so.
   */
  readonly finishBefore?: number;
}

/** Folds a task's epoch partition from its start (bodies only from the last counted snapshot on) into the state its last writer had. */
export function restoreTask(request: RestoreRequest): Promise<Restored> {
  const { log, rawTopic, epochTopic, task } = request;
  const partitions = [rawTopic, epochTopic].map((topic) => ({ topic, partition: task.partition }));
  return pastTrims(log, partitions, () => restoreFromStart(request));
}

async function restoreFromStart(request: RestoreRequest): Promise<Restored> {
  const { options, task } = request;
  const place = { log: request.log, topic: request.epochTopic, partition: task.partition };
  const { start: rawStart } = await rawEndsOf(request);
  const { walk, counted, snapshots } = await readHistory(place);
  const last = snapshots.at(-1);
  const fresh = { walk, snapshots: snapshots.map((epoch) => epoch.firstOffset), epochs: counted.length };
  if (last === undefined) {
    // The first epoch of all is a snapshot: without one nothing has been written behind the genesis.
    if (walk.chain?.n !== 0) throw noSnapshotError(nameOf(place), walk.nextOffset);
    const rawLog = await rawLogId(request, rawStart);
    const { pipeline, generation = 1 } = options;
    const state = buildState({ ...request, pipeline, rawLog, rollupSinceMs: {}, generation });
    state.to = rawStart;
    if (rawStart > 0) state.marks.historyFrom = rawStart;
    const { end: rawEnd } = await rawEndsOf(request);
    return { ...fresh, state, rawLog, rawEnd, bytesSinceSnapshot: 0, snapshotBytes: 0, isSwitch: true };
  }
  const bodies = EpochWalk.fromEpoch(place, last);
  // No further than the first walk went: the chain's end and the state must be of the same epoch.
  const since = await bodies.all({ before: walk.nextOffset });
  if (bodies.chain!.id !== walk.chain!.id) throw changedMeanwhile(place);
  const { rawLog, generation } = last.envelope;
  const written = present(since[0]?.body?.pipeline, 'a snapshot carries its pipeline');
  const state = restoreInto(request, written, since, rawLog);
  const isSame = isSamePipeline(written, options.pipeline);
  const isChanged = !isSame || generation < (options.generation ?? 0);
  // Another engine may have gone on meanwhile: raw ends no earlier than now, and began no later than when the folding began.
  const { end: rawEnd } = await rawEndsOf(request);
  const isUnfinished = isChanged && state.outlet !== undefined && request.isFinished !== true && state.to < rawEnd;
  if (isChanged) checkSwitch(request, state, generation);
  const isSwitch = isChanged && !isUnfinished;
  const result = isSwitch ? switchPipeline(request, written, since, rawLog, state, generation) : state;
  await checkRaw(request, result, { start: rawStart, end: rawEnd });
  const [snapshot, ...after] = since;
  const bytesSinceSnapshot = after.reduce((sum, epoch) => sum + epoch.sizeBytes, 0);
  return {
    ...fresh,
    state: result,
    rawLog,
    rawEnd,
    bytesSinceSnapshot,
    snapshotBytes: snapshot!.sizeBytes,
    isSwitch,
    ...(isUnfinished ? { finishBefore: rawEnd } : {}),
  };
}

async function rawEndsOf({ log, rawTopic, task }: RestoreRequest): Promise<PartitionEnds> {
  return present((await log.ends(rawTopic))[task.partition], `${rawTopic} has no partition ${task.partition}`);
}

function restoreInto(
  request: RestoreRequest,
  pipeline: Pipeline,
  epochs: readonly CountedEpoch[],
  rawLog: string,
): TaskState {
  const { rollupSinceMs } = bodyOf(epochs[0]!);
  const { generation } = epochs[0]!.envelope;
  const state = buildState({ ...request, pipeline, rawLog, rollupSinceMs, generation });
  for (const epoch of epochs) state.restore(epoch.envelope, bodyOf(epoch));
  return state;
}

/** The pipeline has changed: rollups may come and go, but none may change under its name, nor come back as another one. */
function checkSwitch({ options }: RestoreRequest, before: TaskState, generation: number): void {
  // At equal numbers two runs with different pipelines began at the same moment: only one of them goes on here.
  if (options.generation !== undefined && generation >= options.generation) {
    throw new OperatingError(
      `the log carries a newer pipeline (generation ${generation}) than this run brought (${options.generation})`,
      {
        code: 'SUPERSEDED',
        exitCode: EXIT.superseded,
        hint: 'start it again with the configuration that is in use; to go back to this one, stop the newer run first',
      },
    );
  }
  for (const [rollup, hash] of Object.entries(fingerprints(options.pipeline))) {
    const known = before.fingerprints[rollup];
    if (known === undefined || known === hash) continue;
    throw new OperatingError(`rollup ${rollup} has another definition than the one its table was made with`, {
      code: 'ROLLUP_CHANGED',
      exitCode: EXIT.config,
      hint: `give the changed rollup another name, such as ${rollup}_2, or restore the definition; a log without a configuration goes in another --data-dir`,
    });
  }
  if (!options.maySwitch) {
    throw new OperatingError(
      `the pipeline in the log (generation ${generation}) is not the one this engine was started with`,
      {
        code: 'PIPELINE_DIFFERS',
        exitCode: EXIT.config,
        hint: 'let `tailrace run` switch the pipeline, or start with the configuration that is in use',
      },
    );
  }
}

function switchPipeline(
  request: RestoreRequest,
  written: Pipeline,
  epochs: readonly CountedEpoch[],
  rawLog: string,
  before: TaskState,
  generation: number,
): TaskState {
  const { options, task } = request;
  const brought = options.generation ?? generation + 1;
  const rollupSinceMs: Record<string, number> = {};
  const { rollups, tables } = options.pipeline;
  for (const rollup of inReadingOrder(rollups)) {
    if (tables[rollup]!.stream !== task.stream) continue;
    const wasThere = Object.hasOwn(written.rollups, rollup);
    const known = before.rollupSinceMs[rollup];
    if (wasThere && known !== undefined) rollupSinceMs[rollup] = known;
    // A rollup that was added begins with the first window after everything seen so far: its first row is whole.
    if (!wasThere && before.eventTimeMsMax !== -Infinity) {
      const { window } = rollups[rollup]!;
      const input = inputTable(rollups, rollup);
      // Of a table that it reads some of the first rows may be missing.
      const missingMs = input === undefined ? -Infinity : lastMissingMs(request, rollups[input]!, rollupSinceMs[input]);
      rollupSinceMs[rollup] = operatorOf(request, window).sinceMs(window, Math.max(before.eventTimeMsMax, missingMs));
    }
  }
  const state = buildState({
    ...request,
    pipeline: options.pipeline,
    rawLog,
    rollupSinceMs,
    generation: brought,
  });
  for (const epoch of epochs) state.restore(epoch.envelope, bodyOf(epoch));
  state.rollupSinceMs = rollupSinceMs;
  state.generation = brought;
  state.left.push(...before.close(options.pipeline));
  return state;
}

function lastMissingMs(request: RestoreRequest, { window }: RollupSpec, sinceMs: number | undefined): number {
  return sinceMs === undefined ? -Infinity : operatorOf(request, window).lastMissingMs(window, sinceMs);
}

function operatorOf({ operators }: RestoreRequest, { type }: WindowSpec): OperatorDefinition {
  return present(operators[type], `operator ${type} is known`);
}

function bodyOf(epoch: CountedEpoch): EpochBody {
  return present(epoch.body, 'folded with bodies');
}

/** The raw log must be the one the epochs were made from, as far as they go. */
async function checkRaw(
  { log, rawTopic, task }: RestoreRequest,
  state: TaskState,
  { start: rawStart, end: rawEnd }: PartitionEnds,
): Promise<void> {
  const name = `${rawTopic}/${task.partition}`;
  if (state.to > rawEnd) {
    throw new OperatingError(`${name} ends at ${rawEnd}, the epochs were made from raw up to ${state.to}`, {
      code: 'LOG_FORKED',
      exitCode: EXIT.mismatch,
      hint: 'an older log was put back: restore the newest copy, or begin again in another data_dir',
    });
  }
  if (state.to < rawStart) {
    throw new OperatingError(`${name} was trimmed to ${rawStart}, this pipeline has read up to ${state.to}`, {
      code: 'LOG_TRIMMED',
      exitCode: EXIT.mismatch,
      hint: `${rawStart - state.to} messages are gone: give the pipeline another name to begin with what is left`,
    });
  }
  if (state.to === 0 || state.to === rawStart) return;
  const message = await headerAt(log, rawTopic, task.partition, state.to - 1);
  if (
    message === undefined ||
    message.damaged !== undefined ||
    message.offset !== state.to - 1 ||
    hash64(message.header) === state.rawId
  )
    return;
  throw new OperatingError(`${name}: message ${state.to - 1} is not the one the epochs were made from`, {
    code: 'LOG_FORKED',
    exitCode: EXIT.mismatch,
    hint: 'another log lies under this name: restore the right one, or begin again in another data_dir',
  });
}

/** Id of the raw log: its genesis, or, where that was trimmed, the first full beat. */
async function rawLogId({ log, rawTopic, task }: RestoreRequest, rawStart: number): Promise<string> {
  for await (const messages of log.read(rawTopic, task.partition, rawStart, { isFollowing: false, hasValues: false })) {
    for (const message of messages) {
      if (message.damaged !== undefined) continue;
      if (message.kind === 'genesis' && message.offset === 0) return decodeGenesis(message.header).log;
      if (message.kind === 'beat') return decodeBeat(message.header).log;
    }
  }
  throw new OperatingError(`${rawTopic}/${task.partition} has neither its genesis nor a beat`, {
    code: 'LOG_DAMAGED',
    hint: 'start the agent, or restore the log from a copy',
  });
}
