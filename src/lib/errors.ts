/** Exit codes of every command. 0 is success; 130 and 143 are the shell's codes for SIGINT and SIGTERM. */
export const EXIT = {
  failed: 1,
  usage: 2,
  config: 3,
  unreachable: 4,
  badData: 5,
  /** More than a tenth of the lines are in no row of a table: dead letters, or late. All are counted. */
  unusedLines: 6,
  /** Another process does this one's work, an engine's task or a sink's turn: this one ends, which does not count as a failure for the restart thresholds. */
  fenced: 75,
  /** The log carries a newer generation of the pipeline than this process was started with. */
  superseded: 76,
  /** What this process remembers and what the log holds do not belong together: a person must decide what is right. */
  mismatch: 77,
} as const;

export interface OperatingErrorOptions {
  /** Stable name for programs and runbooks, such as `LOG_DISK_FULL`. */
  readonly code: string;
  /** Whether the same call may succeed later without anybody changing anything in the call. */
  readonly isRetryable?: boolean;
  /** The way out, as one imperative sentence. */
  readonly hint?: string;
  readonly exitCode?: number;
  readonly cause?: unknown;
}

/**
 * Something outside the program went wrong: a file, a disk, a server, the user's configuration.
 * The message is one line that says what and where; `hint` says the way out.
 */
export class OperatingError extends Error {
  override readonly name = 'OperatingError';
  readonly code: string;
  readonly isRetryable: boolean;
  readonly hint: string | undefined;
  readonly exitCode: number;

  constructor(message: string, options: OperatingErrorOptions) {
    super(message, { cause: options.cause });
    this.code = options.code;
    this.isRetryable = options.isRetryable ?? false;
    this.hint = options.hint;
    this.exitCode = options.exitCode ?? EXIT.failed;
  }
}

/** One line for a person: the message of any thrown value, with the way out where there is one. */
export function describeError(error: unknown): string {
  if (error instanceof OperatingError)
    return error.hint === undefined ? error.message : `${error.message} (${error.hint})`;
  return error instanceof Error ? error.message : String(error);
}

/** The `code` of a Node system error (`ENOENT`, `ENOSPC`, …), or undefined. */
export function systemErrorCode(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null || !('code' in error)) return undefined;
  return typeof error.code === 'string' ? error.code : undefined;
}
