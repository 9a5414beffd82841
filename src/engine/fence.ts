import type { TaskId } from '../epoch/pipeline.ts';
import { EXIT, OperatingError } from '../lib/errors.ts';

/** `<pipeline>/<stream>/<partition>`, for people. */
export function taskName({ pipeline, stream, partition }: TaskId): string {
  return `${pipeline}/${stream}/${partition}`;
}

/** An epoch of ours does not count: another engine's does in its place. */
export function fencedError(task: TaskId): OperatingError {
  return new OperatingError(`${taskName(task)}: another engine writes this task's epochs; mine do not count`, {
    code: 'FENCED',
    exitCode: EXIT.fenced,
    hint: `stop the other engine, if pipeline ${task.pipeline} should have one`,
  });
}

/**
 * What is trimmed under a task at work was decided by another engine, which trims what it has passed: a process that was frozen finds it
 * so. Whether more is gone than that, the next task finds out when it folds.
 */
export function passedError(task: TaskId, cause: OperatingError): OperatingError {
  const what = 'the log was trimmed past where this task stands: another engine has gone on, or messages are gone';
  return new OperatingError(`${taskName(task)}: ${what}`, {
    code: 'FENCED',
    exitCode: EXIT.fenced,
    hint: 'the next start tells which',
    cause,
  });
}

/** What counts in place of our epoch is of a newer pipeline. */
export function supersededError(task: TaskId, generation: number): OperatingError {
  return new OperatingError(`${taskName(task)}: the log carries a newer pipeline (generation ${generation})`, {
    code: 'SUPERSEDED',
    exitCode: EXIT.superseded,
    hint: 'start this role again with the configuration that is in use',
  });
}
