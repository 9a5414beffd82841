import type { Clock } from '../lib/clock.ts';
import { describeError } from '../lib/errors.ts';
import type { Notify } from './events.ts';
import { type Registry, saveRegistry } from './registry.ts';

/** Writes the registry lazily: late is harmless, since what was sent twice counts once. Only new numbers cannot wait. */
export class RegistryWriter {
  readonly #dataDir: string;
  readonly #clock: Clock;
  readonly #notify: Notify;
  readonly #pauseMs: number;
  readonly #current: () => Registry;
  #dueMs = 0;
  #isDirty = true;
  #hasNewNumbers = false;
  #isHeld = false;

  constructor(deps: { dataDir: string; clock: Clock; notify: Notify; pauseMs: number; current: () => Registry }) {
    this.#dataDir = deps.dataDir;
    this.#clock = deps.clock;
    this.#notify = deps.notify;
    this.#pauseMs = deps.pauseMs;
    this.#current = deps.current;
  }

  /** Numbers were given that are not durable: until they are, nothing may speak of them, or another source could get them. */
  get hasNewNumbers(): boolean {
    return this.#hasNewNumbers;
  }

  changed(): void {
    this.#isDirty = true;
  }

  numberGiven(): void {
    this.#hasNewNumbers = true;
  }

  saveIfDue(): void {
    if (this.#isDirty && this.#clock.monotonicMs() >= this.#dueMs) this.save();
  }

  save(): void {
    const registry = this.#current();
    try {
      saveRegistry(this.#dataDir, registry);
      this.#isDirty = false;
      this.#hasNewNumbers = false;
      this.#isHeld = false;
    } catch (error) {
      if (!(error instanceof Error && 'syscall' in error)) throw error;
      // Waiting loses nothing: the log has what was sent, and new sources stay unannounced until this succeeds.
      const hint = 'make room, or let the agent write there';
      if (!this.#isHeld) this.#notify({ type: 'unreadable', path: this.#dataDir, reason: describeError(error), hint });
      this.#isHeld = true;
    }
    // The cost grows with the number of sources, and so does the pause: about one percent of the time goes there at most.
    this.#dueMs = this.#clock.monotonicMs() + this.#pauseMs * (1 + registry.sources.length / 1000);
  }
}
