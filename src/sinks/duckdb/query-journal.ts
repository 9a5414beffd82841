import { closeSync, constants, openSync, readFileSync, renameSync, writeFileSync, writeSync } from 'node:fs';
import type { Clock } from '../../lib/clock.ts';
import { hash64 } from '../../lib/hash.ts';

/** A query that runs, as it is written down before it begins: whatever the process dies of, the next one knows what ran. */
export interface RunningQuery {
  readonly hash: string;
  /** Its first characters. */
  readonly sql: string;
  /** Why the process was ended for it; a crash has none. */
  readonly reason?: string;
}

interface Strikes extends RunningQuery {
  readonly strikes: number;
  /** Others ran as well: it need not have been the cause. */
  readonly isShared: boolean;
  readonly lastMs: number;
}

/** Whether a query may run, beside others or alone; `blamed` may run alone, and was the only one that ran when a process died. */
export type Judgement = 'fine' | 'alone' | 'blamed' | 'refused';

/** So often a query may run when its process dies. The second time it ran alone, so it was the cause. */
const STRIKES_MAX = 2;
/** Then it may try again: the tables, or the machine, may be others by now. */
const REFUSED_MS = 24 * 3600 * 1000;
/** Queries remembered; the oldest go. A person does not write so many bad ones a day, and what a program varies is new each time anyway. */
const REMEMBERED_MAX = 256;
/** Three queries, however their characters are written in JSON: the file never gets shorter. */
const RUNNING_CHARACTERS = 6000;
/** Characters kept of a query: enough to find who asks it. */
const SHOWN_CHARACTERS = 200;

/**
 * Remembers, beside a database, which queries run and which ran when a process died. One that ran then runs alone the next time; if it
 * ends, however it ends, it is forgiven, and if the process dies again, it is refused for a day.
 */
export class QueryJournal {
  readonly #clock: Pick<Clock, 'nowMs'>;
  readonly #path: string;
  readonly #running = new Map<number, RunningQuery>();
  readonly #strikes: Map<string, Strikes>;
  /** What ran when the process before this one died. */
  readonly died: readonly RunningQuery[];
  #lastId = 0;

  /** For the one process that has the database open. */
  constructor(databasePath: string, clock: Pick<Clock, 'nowMs'>) {
    this.#clock = clock;
    this.#path = strikesPath(databasePath);
    this.runningPath = runningPath(databasePath);
    this.#strikes = new Map(readList<Strikes>(this.#path).map((entry) => [entry.hash, entry]));
    this.died = readRunning(databasePath);
    if (this.died.length === 0) return;
    for (const { hash, sql } of this.died) this.#strike(hash, sql, this.died.length > 1);
    this.#save();
    writeRunning(this.runningPath, []);
  }

  readonly runningPath: string;

  judge(sql: string): Judgement {
    const found = this.#strikes.get(hash64(sql));
    if (found === undefined || this.#clock.nowMs() - found.lastMs > REFUSED_MS) return 'fine';
    if (found.strikes >= STRIKES_MAX) return 'refused';
    return found.isShared ? 'alone' : 'blamed';
  }

  began(sql: string): { readonly id: number; readonly query: RunningQuery } {
    const query = { hash: hash64(sql), sql: sql.slice(0, SHOWN_CHARACTERS) };
    const id = ++this.#lastId;
    this.#running.set(id, query);
    writeRunning(this.runningPath, [...this.#running.values()]);
    return { id, query };
  }

  ended(id: number): void {
    const query = this.#running.get(id);
    this.#running.delete(id);
    writeRunning(this.runningPath, [...this.#running.values()]);
    if (query !== undefined && this.#strikes.delete(query.hash)) this.#save();
  }

  #strike(hash: string, sql: string, isShared: boolean): void {
    const nowMs = this.#clock.nowMs();
    const before = this.#strikes.get(hash);
    const isRecent = before !== undefined && nowMs - before.lastMs <= REFUSED_MS;
    // The newest come last.
    this.#strikes.delete(hash);
    const strikes = isRecent ? before.strikes + 1 : 1;
    this.#strikes.set(hash, { hash, sql, strikes, isShared, lastMs: nowMs });
    for (const oldest of this.#strikes.keys()) {
      if (this.#strikes.size <= REMEMBERED_MAX) break;
      this.#strikes.delete(oldest);
    }
  }

  #save(): void {
    const temporary = `${this.#path}.new`;
    quietly(() => {
      writeFileSync(temporary, JSON.stringify([...this.#strikes.values()]), { mode: 0o600 });
      renameSync(temporary, this.#path);
    });
  }
}

/** What ran in a process that is dead, or runs in one that is alive. */
export function readRunning(databasePath: string): RunningQuery[] {
  return readList<RunningQuery>(runningPath(databasePath));
}

/** In place and in one write, so that a process that dies meanwhile leaves the one or the other. It need not outlive the machine. */
export function writeRunning(path: string, queries: readonly RunningQuery[]): void {
  quietly(() => {
    const descriptor = openSync(path, constants.O_WRONLY | constants.O_CREAT, 0o600);
    try {
      writeSync(descriptor, JSON.stringify(queries).padEnd(RUNNING_CHARACTERS), 0);
    } finally {
      closeSync(descriptor);
    }
  });
}

function runningPath(databasePath: string): string {
  return `${databasePath}.running.json`;
}

function strikesPath(databasePath: string): string {
  return `${databasePath}.refused.json`;
}

function readList<T extends RunningQuery>(path: string): T[] {
  try {
    const list: unknown = JSON.parse(readFileSync(path, 'utf8'));
    return Array.isArray(list) ? (list as T[]).filter((entry) => typeof entry?.hash === 'string') : [];
  } catch {
    return [];
  }
}

/** A full disk must not keep queries from being answered: then less is remembered. */
function quietly(write: () => void): void {
  try {
    write();
  } catch {
    // See above.
  }
}
