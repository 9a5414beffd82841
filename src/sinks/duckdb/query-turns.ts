import { OperatingError } from '../../lib/errors.ts';

/** Who asks: people and their dashboards, or this program (the audit, the results of a run), which must not wait behind them. */
export type Lane = 'people' | 'own';
const LANES: readonly Lane[] = ['own', 'people'];

/** With the writer these are the four threads that Node has for them. */
const RUNNING_MAX: Readonly<Record<Lane, number>> = { people: 2, own: 1 };
/** More than this many waiting are turned away: whoever is behind them has waited more than a minute. */
export const WAITING_MAX = 16;

export interface Turn {
  readonly lane: Lane;
  /** Nothing may run beside it. */
  readonly isAlone: boolean;
}

interface Waiting {
  readonly turn: Turn;
  readonly start: () => void;
  readonly refuse: (error: OperatingError) => void;
}

/** Lets so many queries run at once, and the others wait in order. */
export class QueryTurns {
  readonly #running = new Set<Turn>();
  readonly #waiting: Record<Lane, Waiting[]> = { people: [], own: [] };
  #holds = 0;

  /** Resolves when it may run: then `leave` must follow. OperatingErrors: SQL_BUSY, and what `signal` or `refuseAll` end it with. */
  async enter(turn: Turn, signal: AbortSignal): Promise<void> {
    const waiting = this.#waiting[turn.lane];
    if (waiting.length === 0 && this.#mayStart(turn)) {
      this.#running.add(turn);
      return;
    }
    if (waiting.length >= WAITING_MAX) throw busy();
    await new Promise<void>((resolve, reject) => {
      const entry: Waiting = {
        turn,
        start: () => {
          signal.removeEventListener('abort', onAbort);
          this.#running.add(turn);
          resolve();
        },
        refuse: (error) => {
          signal.removeEventListener('abort', onAbort);
          reject(error);
        },
      };
      const onAbort = (): void => {
        waiting.splice(waiting.indexOf(entry), 1);
        reject(signal.reason as Error);
        // It may have been the one in the way.
        this.#startNext();
      };
      signal.addEventListener('abort', onAbort, { once: true });
      waiting.push(entry);
    });
  }

  leave(turn: Turn): void {
    this.#running.delete(turn);
    this.#startNext();
  }

  /** From here on nothing starts, until `release` is called, once. */
  hold(): () => void {
    this.#holds += 1;
    return () => {
      this.#holds -= 1;
      this.#startNext();
    };
  }

  refuseAll(error: OperatingError): void {
    for (const lane of LANES) for (const { refuse } of this.#waiting[lane].splice(0)) refuse(error);
  }

  #startNext(): void {
    for (const lane of LANES) {
      const waiting = this.#waiting[lane];
      while (waiting[0] !== undefined && this.#mayStart(waiting[0].turn)) waiting.shift()!.start();
    }
  }

  #mayStart({ lane, isAlone }: Turn): boolean {
    const running = [...this.#running];
    if (this.#holds > 0 || running.some((other) => other.isAlone)) return false;
    if (isAlone) return running.length === 0;
    return running.filter((other) => other.lane === lane).length < RUNNING_MAX[lane];
  }
}

function busy(): OperatingError {
  return new OperatingError(`${WAITING_MAX} queries are waiting already`, {
    code: 'SQL_BUSY',
    isRetryable: true,
    hint: 'try again in some seconds',
  });
}
