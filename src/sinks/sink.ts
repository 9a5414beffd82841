/**
 * The port of a sink: it folds counted epochs, or reads raw blocks, with a cursor of its own and at its own pace, so that a slow
 * or dead sink holds up nobody else. Where its effect and its cursor can be one transaction, they are; elsewhere its effects
 * are idempotent and the cursor moves after them.
 */
export interface Sink {
  /** The consumer group under which its cursor is reported to the log. */
  readonly group: string;
  /** Works until the signal aborts. Any throw ends the role: a new process begins at the cursor that the sink has stored. */
  run(signal: AbortSignal): Promise<void>;
}
