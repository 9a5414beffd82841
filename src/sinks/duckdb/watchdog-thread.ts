// A thread of its own: a query can hold the thread that runs it, and the event loop while its answer is read, but not this one.
import { writeSync } from 'node:fs';
import { constants, setPriority } from 'node:os';
import { parentPort, workerData } from 'node:worker_threads';
import { systemClock } from '../../lib/clock.ts';
import { escapeText } from '../../lib/escape.ts';
import { present } from '../../lib/assert.ts';
import { type RunningQuery, writeRunning } from './query-journal.ts';
import { QUERY_SIGNAL, type WatchLimits, Watchdog } from './watchdog.ts';

export interface ThreadOptions {
  readonly limits: WatchLimits;
  readonly journalPath: string;
  /** Where no other process comes after this one that could say what happened. */
  readonly saysWhy: boolean;
}

export type ToThread =
  | {
      readonly type: 'began';
      readonly id: number;
      readonly query: RunningQuery;
      readonly isSuspect: boolean;
      readonly isOwn: boolean;
      /** Resident memory of the process before it began. */
      readonly rssBytes: number;
    }
  | { readonly type: 'progressed' | 'interrupted' | 'ended'; readonly id: number };

/** It watches; or this query is to be interrupted, for memory. */
export type FromThread = { readonly type: 'ready' } | { readonly type: 'interrupt'; readonly id: number };

/** The worst query seen takes 2 GB/s: 10 MB between two looks, at 0.1 % of a core. */
const LOOK_MS = 5;

const port = present(parentPort, 'this is a thread');
const { limits, journalPath, saysWhy } = workerData as ThreadOptions;
const watchdog = new Watchdog(limits);
const queries = new Map<number, RunningQuery>();
let timer: NodeJS.Timeout | undefined;
beforeOthers();

port.on('message', (message: ToThread) => {
  const nowMs = systemClock.monotonicMs();
  if (message.type === 'began') {
    queries.set(message.id, message.query);
    const { isSuspect, isOwn, rssBytes } = message;
    watchdog.began(message.id, nowMs, { isSuspect, isOwn, rssBytes });
    timer ??= setInterval(look, LOOK_MS);
  } else if (message.type === 'progressed') {
    watchdog.progressed(message.id, nowMs);
  } else if (message.type === 'interrupted') {
    watchdog.interrupted(message.id, nowMs);
  } else {
    queries.delete(message.id);
    watchdog.ended(message.id);
    if (!watchdog.isIdle) return;
    clearInterval(timer);
    timer = undefined;
  }
});

/** Where it may (root, CAP_SYS_NICE), on Linux, where a thread has a priority of its own: on a busy machine it would look some 50 ms late. */
function beforeOthers(): void {
  if (process.platform !== 'linux') return;
  try {
    setPriority(0, constants.priority.PRIORITY_HIGH);
  } catch {
    // Without the right to do so the limits hold less exactly.
  }
}

function look(): void {
  const verdict = watchdog.judge(systemClock.monotonicMs(), process.memoryUsage.rss());
  if (verdict.kind === 'interrupt') port.postMessage({ type: 'interrupt', id: verdict.id } satisfies FromThread);
  if (verdict.kind !== 'end') return;
  try {
    // Who runs is written down already, and a disk may keep this waiting while memory grows.
    if (verdict.ids !== 'any') {
      const blamed = verdict.ids.flatMap((id) => queries.get(id) ?? []);
      writeRunning(
        journalPath,
        blamed.map((query) => ({ ...query, reason: verdict.reason })),
      );
    }
    if (saysWhy)
      for (const { sql } of queries.values()) writeSync(2, `tailrace: ${verdict.reason}: ${escapeText(sql)}\n`);
  } finally {
    process.kill(process.pid, QUERY_SIGNAL);
  }
}

port.postMessage({ type: 'ready' } satisfies FromThread);
