import { EpochQueue } from './epoch-queue.ts';
import type { EpochReader, IncomingEpoch } from './epoch-reader.ts';

/** Epochs read and not yet written: about a second of a busy pipeline. Beyond it readers wait, so a slow store costs this much memory and not the log's. */
const QUEUE_BYTES_MAX = 4 * 1024 * 1024;

/**
 * Lets every reader fill one queue while `work` empties it, until `signal` aborts or one of them fails; whatever ends it, all readers have ended
 * when this settles. Throws what `work`, or through it the first failing reader, threw.
 */
export async function readEpochs(
  readers: readonly EpochReader[],
  signal: AbortSignal,
  work: (queue: EpochQueue<IncomingEpoch>) => Promise<void>,
): Promise<void> {
  const queue = new EpochQueue<IncomingEpoch>(QUEUE_BYTES_MAX);
  const stop = new AbortController();
  const onAbort = (): void => queue.end();
  signal.addEventListener('abort', onAbort, { once: true });
  if (signal.aborted) onAbort();
  const reading = readers.map((reader) =>
    reader
      .run(stop.signal, (incoming, sizeBytes) => queue.put(incoming, sizeBytes))
      .catch((error: unknown) => queue.end(error)),
  );
  try {
    await work(queue);
  } finally {
    signal.removeEventListener('abort', onAbort);
    stop.abort();
    queue.end();
    await Promise.all(reading);
  }
}
