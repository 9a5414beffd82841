import type { Clock } from '../lib/clock.ts';
import { type Exit, type StartProcess, isOutside } from './service.ts';

/** What is still so is said again after this long, with how often it was heard since. */
const SAY_AGAIN_MS = 600_000;
/** Lines remembered of one role; one that says more before it ends is quoted in full. */
const LINES_MAX = 50;

interface Said {
  readonly atMs: number;
  echoes: number;
}

interface Life {
  /** What was said in the lives before this one, as long as the same trouble lasts. */
  readonly before: Map<string, Said>;
  readonly said: Map<string, Said>;
  exit: Exit | undefined;
}

/**
 * A role that ends because something outside is away, full or not the log that was read is started again until it works, and would say the same each
 * time. This lets the words of such a role through once; of every other role, everything.
 */
export class Echoes {
  readonly #clock: Pick<Clock, 'monotonicMs'>;
  readonly #lives = new Map<string, Life>();

  constructor(clock: Pick<Clock, 'monotonicMs'>) {
    this.#clock = clock;
  }

  /** Follows the lives of the roles that `start` starts. */
  following(start: StartProcess): StartProcess {
    return (service) => {
      const last = this.#lives.get(service.name);
      const isSameTrouble = last?.exit !== undefined && isOutside(last.exit);
      const before = last !== undefined && isSameTrouble ? this.#recent(last) : new Map<string, Said>();
      const life: Life = { before, said: new Map(), exit: undefined };
      this.#lives.set(service.name, life);
      const process = start(service);
      void process.exited.then((exit) => (life.exit = exit));
      return process;
    };
  }

  /** Older ones are said again in any case. */
  #recent({ before, said }: Life): Map<string, Said> {
    const sinceMs = this.#clock.monotonicMs() - 2 * SAY_AGAIN_MS;
    return new Map([...before, ...said].filter(([, { atMs }]) => atMs >= sinceMs));
  }

  /** The line as it is to be said, or undefined for what the role said before it was started again. */
  pass(role: string, line: string): string | undefined {
    const life = this.#lives.get(role);
    if (life === undefined) return line;
    const nowMs = this.#clock.monotonicMs();
    const before = life.before.get(line);
    if (before !== undefined && nowMs - before.atMs < SAY_AGAIN_MS) {
      before.echoes += 1;
      return undefined;
    }
    if (life.said.size < LINES_MAX) life.said.set(line, { atMs: nowMs, echoes: 0 });
    if (before === undefined) return line;
    life.before.delete(line);
    return `${line} (heard ${before.echoes + 1} times more since it was last said)`;
  }
}
