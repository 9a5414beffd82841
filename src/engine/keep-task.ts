import type { TaskId } from '../epoch/pipeline.ts';
import { Backoff } from '../lib/backoff.ts';
import { EXIT, OperatingError } from '../lib/errors.ts';
import type { EngineDependencies } from './engine.ts';
import { Task } from './task.ts';

/** A task of this worker was fenced and begins anew when it has asked whether the partition is still its own. */
export interface KeepEvent {
  readonly type: 'fenced';
  readonly task: TaskId;
  /** How often in a row; from the third time on somebody should look. */
  readonly inARow: number;
  readonly pauseMs: number;
}

const FENCED_PAUSE = { initialMs: 1_000, maxMs: 60_000, multiplier: 2 };
/** A task that ran this long was right to: the next fence is the first again. */
const HEALTHY_MS = 60_000;
/**
 * A partition that moves is begun so much later: a worker that gives it up hears of it at the same moment, and its last epoch counts if it
 * comes first. Longer than an epoch takes to be written, and nothing beside the time in which a dead worker is found missing.
 */
export const HANDOVER_MS = 500;

/**
 * Keeps one partition at work while it is this worker's, which `signal` ends. With a fixed assignment whatever ends the task is thrown: its
 * process ends with it. Where partitions move, a fence is part of the game: the state is dropped, and after a pause and a look at whether the
 * partition is still ours, the next task folds everything again.
 */
export async function keepTask(deps: EngineDependencies, id: TaskId, signal: AbortSignal): Promise<void> {
  const { assignment, clock, notify = () => undefined } = deps;
  const pauses = new Backoff(FENCED_PAUSE);
  let inARow = 0;
  if (!assignment.isFixed) await clock.sleep(HANDOVER_MS, signal);
  while (!signal.aborted) {
    const startedMs = clock.monotonicMs();
    try {
      return await new Task({ ...deps, notify }, id).run(signal);
    } catch (error) {
      if (assignment.isFixed || !isFenced(error)) throw error;
    }
    if (clock.monotonicMs() - startedMs >= HEALTHY_MS) {
      inARow = 0;
      pauses.reset();
    }
    inARow++;
    const pauseMs = pauses.next();
    notify({ type: 'fenced', task: id, inARow, pauseMs });
    await clock.sleep(pauseMs, signal);
    await assignment.confirm(signal);
  }
}

function isFenced(error: unknown): boolean {
  return error instanceof OperatingError && error.exitCode === EXIT.fenced;
}
