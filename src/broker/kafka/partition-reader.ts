import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Clock } from '../../lib/clock.ts';
import type { Message, ReadOptions } from '../broker.ts';
import { messagesOf } from './message.ts';
import { type Fetched, type FetcherDependencies, PartitionFetcher, trimmedError } from './partition-fetcher.ts';
import type { RecordBatch } from './record-batch.ts';

const BATCH_BYTES_MAX = 4 * 1024 * 1024;
/** Bounds a batch of beats, or of envelopes, whose values have no bytes to count. */
const BATCH_MESSAGES_MAX = 4096;
const WAIT_MS_MAX = 1000;
/**
 * Compressed bytes of one fetch. Two are held, one being read and one that is fetched ahead; of the first one record batch at a time is
 * decompressed.
 */
const FETCH_BYTES_MAX = 2 * 1024 * 1024;
const FETCH_BYTES_MIN = 64 * 1024;
/** How long the broker holds a fetch that finds nothing. It answers at once when something comes, so this only paces idle connections. */
const FETCH_WAIT_MS = 2_000;

export interface ReaderDependencies extends FetcherDependencies {
  readonly clock: Clock;
  /** How far this process has trimmed a partition: what a reader fetched before that is gone, too. */
  readonly trimmedTo: (topic: string, partition: number) => number;
}

type Waited = Fetched | 'time' | 'ended';

export async function* readPartition(
  deps: ReaderDependencies,
  topic: string,
  partition: number,
  from: number,
  options: ReadOptions,
): AsyncGenerator<readonly Message[]> {
  const { isFollowing, waitMsMax = WAIT_MS_MAX, hasValues = true, batchBytesMax = BATCH_BYTES_MAX } = options;
  const { clock } = deps;
  const ended = options.signal === undefined ? deps.signal : AbortSignal.any([deps.signal, options.signal]);
  if (ended.aborted) return;
  const fetcher = new PartitionFetcher(deps, topic, partition);
  const fetchBytes = Math.min(FETCH_BYTES_MAX, Math.max(FETCH_BYTES_MIN, batchBytesMax));
  const fetch = (offset: number): Promise<Fetched> => {
    const fetching = fetcher.fetch(offset, isFollowing ? FETCH_WAIT_MS : 0, fetchBytes);
    fetching.catch(() => undefined);
    return fetching;
  };
  const checkTrimmed = (): void => {
    const start = deps.trimmedTo(topic, partition);
    if (next < start) throw trimmedError(`${topic}/${partition}`, next, start);
  };
  let next = from;
  let end = Infinity;
  try {
    let fetching = fetch(next);
    let emptyAtMs = clock.monotonicMs() + waitMsMax;
    while (next < end) {
      const fetched = await waited(fetching, emptyAtMs - clock.monotonicMs(), { clock, ended });
      if (fetched === 'ended') return;
      if (fetched === 'time') {
        // A reader that does not follow waits for the cluster as long as it takes, and wants no empty batches.
        if (isFollowing) yield [];
        emptyAtMs = clock.monotonicMs() + waitMsMax;
        continue;
      }
      if (!isFollowing && end === Infinity) end = fetched.end;
      const { batches } = fetched;
      const last = batches.at(-1);
      const ahead = last === undefined ? next : Math.max(next, last.nextOffset);
      if (ahead < end) fetching = fetch(ahead);
      for await (const batch of cutBatches(batches, { next, end, hasValues, batchBytesMax })) {
        checkTrimmed();
        next = batch.at(-1)!.offset + 1;
        yield batch;
        if (ended.aborted) return;
      }
      next = Math.max(next, ahead);
      if (last === undefined) continue;
      // A reader that is never at the end must leave the event loop to others now and then.
      await nextTurn();
      emptyAtMs = clock.monotonicMs() + waitMsMax;
    }
  } finally {
    fetcher.close();
  }
}

interface Cut {
  readonly next: number;
  readonly end: number;
  readonly hasValues: boolean;
  readonly batchBytesMax: number;
}

/** Messages from `next` up to `end`, in pieces of the size a reader wants; one record batch at a time is decompressed. */
async function* cutBatches(batches: readonly RecordBatch[], cut: Cut): AsyncGenerator<Message[]> {
  let piece: Message[] = [];
  let bytes = 0;
  for (const stored of batches) {
    for (const message of await messagesOf(stored, cut.next, cut.hasValues)) {
      if (message.offset >= cut.end) break;
      piece.push(message);
      bytes += message.header.length + message.value.length;
      if (bytes < cut.batchBytesMax && piece.length < BATCH_MESSAGES_MAX) continue;
      yield piece;
      piece = [];
      bytes = 0;
    }
  }
  if (piece.length > 0) yield piece;
}

async function waited(
  fetching: Promise<Fetched>,
  ms: number,
  { clock, ended }: { clock: Clock; ended: AbortSignal },
): Promise<Waited> {
  if (ended.aborted) return 'ended';
  const done = new AbortController();
  const time = clock.sleep(Math.max(0, ms), AbortSignal.any([done.signal, ended]));
  try {
    return await Promise.race([fetching, time.then((): Waited => (ended.aborted ? 'ended' : 'time'))]);
  } finally {
    done.abort();
  }
}
