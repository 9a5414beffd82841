/** Exit codes of a process that was asked to end, as shells count them. */
const SIGNAL_EXIT = { SIGINT: 130, SIGTERM: 143 } as const;
export type StopSignal = keyof typeof SIGNAL_EXIT;

export interface StopSignals {
  /** Aborts at the first SIGINT or SIGTERM. */
  readonly signal: AbortSignal;
  /** Exit code of the signal that came, or 0. */
  exitCode(): number;
  /** Gives the signals back to Node, which ends the process at the next one. */
  release(): void;
}

/**
 * The first SIGINT or SIGTERM drains, the second one ends at once: `onSecond` may still clean up, in an instant.
 * With `isSupervised` SIGINT is ignored: Ctrl-C reaches every process of the terminal, and the supervisor says when to end.
 */
export function listenForStop(
  options: { readonly isSupervised?: boolean; readonly onSecond?: () => void } = {},
): StopSignals {
  const stopping = new AbortController();
  let first: StopSignal | undefined;
  const onSignal = (signal: StopSignal): void => {
    if (options.isSupervised === true && signal === 'SIGINT') return;
    if (first === undefined) {
      first = signal;
      stopping.abort();
      return;
    }
    options.onSecond?.();
    process.exit(SIGNAL_EXIT[signal]);
  };
  process.on('SIGINT', onSignal).on('SIGTERM', onSignal);
  return {
    signal: stopping.signal,
    exitCode: () => (first === undefined ? 0 : SIGNAL_EXIT[first]),
    release: () => void process.off('SIGINT', onSignal).off('SIGTERM', onSignal),
  };
}
