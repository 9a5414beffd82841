/** The only place where the time of day is read. Everything else gets a clock as a parameter, so that tests own time. */
export interface Clock {
  /** Wall time in milliseconds since 1970, UTC. It may jump. */
  nowMs(): number;
  /** Milliseconds since some fixed moment, never going back: for measuring and for timers. */
  monotonicMs(): number;
  /** Resolves after `ms`, or early, without an error, when `signal` aborts. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

export const systemClock: Clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  sleep: (ms, signal) =>
    new Promise((resolve) => {
      if (signal?.aborted) return resolve();
      const finish = (): void => {
        clearTimeout(timer);
        signal?.removeEventListener('abort', finish);
        resolve();
      };
      const timer = setTimeout(finish, ms);
      signal?.addEventListener('abort', finish, { once: true });
    }),
};
