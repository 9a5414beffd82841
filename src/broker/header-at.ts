import type { Log, Message } from './broker.ts';

/** The message at an offset, or the next one after it, without its value; undefined at the log's end. Throws what `Log.read` throws. */
export async function headerAt(
  log: Log,
  topic: string,
  partition: number,
  offset: number,
): Promise<Message | undefined> {
  const options = { isFollowing: false, hasValues: false, batchBytesMax: 1 };
  for await (const messages of log.read(topic, partition, offset, options)) return messages[0];
  return undefined;
}
