import type { TaskId } from '../epoch/pipeline.ts';
import { Backoff } from '../lib/backoff.ts';
import { EXIT, OperatingError } from '../lib/errors.ts';
import type { EngineParts } from './engine-parts.ts';
import { type TaskEvent, runTask } from './task.ts';

/** A task of this worker was fenced and begins anew when it has asked whether the partition is still its own. */
export interface KeepEvent {
  readonly type: 'fenced';
  readonly task: TaskId;
  /** How often in a row; from the third time on somebody should look. */
  readonly inARow: number;
  readonly pauseMs: number;
}

const FENCED_PAUSE = { initialMs: 1_000, maxMs: 60_000, multiplier: 2 };
/** The log has waited already, and waits again for whoever reads it: this only keeps a flickering connection from a tight loop. */
const UNREACHABLE_PAUSE_MS = 500;
/** A task that ran this long was right to: the next fence is the first again. */
const HEALTHY_MS = 60_000;
/**
 * A partition that moves is begun so much later: a worker that gives it up hears of it at the same moment, and its last epoch counts if it
 * comes first. Longer than an epoch takes to be written, and nothing beside the time in which a dead worker is found missing.
 */
export const HANDOVER_MS = 500;

/**
 * Keeps one partition at work while it is this worker's, which `signal` ends. A task that the log does not answer, or that was fenced, has
 * dropped its state; the next one folds everything again. Where partitions move, a fence is part of the game: it is asked whether the
 * partition is still ours. With a fixed assignment somebody else has started the same worker, and its process ends, as it does with any other error.
 */
export async function keepTask(
  deps: EngineParts & { readonly notify?: (event: TaskEvent | KeepEvent) => void },
  id: TaskId,
  signal: AbortSignal,
): Promise<void> {
  const { assignment, clock, notify = () => undefined } = deps;
  const pauses = new Backoff(FENCED_PAUSE);
  let fencedInARow = 0;
  if (!assignment.isFixed) await clock.sleep(HANDOVER_MS, signal);
  while (!signal.aborted) {
    const startedMs = clock.monotonicMs();
    let isFenced = false;
    try {
      return await runTask({ ...deps, notify }, id, signal);
    } catch (error) {
      isFenced = isFence(error);
      if (isFenced ? assignment.isFixed : !isUnreachable(error)) throw error;
    }
    if (clock.monotonicMs() - startedMs >= HEALTHY_MS) {
      fencedInARow = 0;
      pauses.reset();
    }
    const pauseMs = isFenced ? pauses.next() : UNREACHABLE_PAUSE_MS;
    if (isFenced) notify({ type: 'fenced', task: id, inARow: ++fencedInARow, pauseMs });
    await clock.sleep(pauseMs, signal);
    if (isFenced) await assignment.confirm(signal);
  }
}

function isFence(error: unknown): boolean {
  return error instanceof OperatingError && error.exitCode === EXIT.fenced;
}

/** The cluster is away, or an append got no answer. The log says so, once for all who wait; nothing in this process would mend it. */
function isUnreachable(error: unknown): boolean {
  return error instanceof OperatingError && error.code === 'LOG_UNREACHABLE';
}
