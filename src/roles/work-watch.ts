import type { Log } from '../broker/broker.ts';

/** How long a role that seems to have worked has to live on: partitions may begin later, and what ends it may stand at the end of what it read. */
const SETTLE_MS = 1_000;

/**
 * A log whose user is watched: `worked` is called once, when it has done some of its work, and lived on for a second. A role that reads has, when of
 * every partition that it reads it has reported a position, or has come to the end; one that only writes, when its first append is durable.
 */
export function watchWork(log: Log, worked: () => void, later: (work: () => void) => void = inAWhile): Log {
  const behind = new Set<string>();
  let reads = false;
  let begun = 0;
  let isSettling = false;
  const done = (key?: string): void => {
    if (key !== undefined) behind.delete(key);
    if (behind.size > 0 || isSettling) return;
    isSettling = true;
    const then = begun;
    later(() => {
      if (behind.size === 0 && begun === then) return worked();
      isSettling = false;
      // Another partition has begun meanwhile, and may have been read to its end as well.
      if (behind.size === 0) done();
    });
  };
  const keyOf = (topic: string, partition: number): string => `${topic}/${partition}`;
  return {
    ensureTopics: (specs) => log.ensureTopics(specs),
    async append(topic, partition, messages) {
      const offset = await log.append(topic, partition, messages);
      if (!reads) done();
      return offset;
    },
    async *read(topic, partition, from, options) {
      const key = keyOf(topic, partition);
      // What is folded at the start is read to a known end: only what is followed is work.
      const isWork = options.isFollowing === true;
      if (isWork) {
        reads = true;
        begun++;
        behind.add(key);
      }
      for await (const messages of log.read(topic, partition, from, options)) {
        yield messages;
        // Now it has taken what came before.
        if (isWork && messages.length === 0 && behind.has(key)) done(key);
      }
      // Given up to others.
      if (isWork && behind.has(key)) done(key);
    },
    ends: (topic) => log.ends(topic),
    trim: (topic, partition, before) => log.trim(topic, partition, before),
    async report(group, topic, partition, cursor) {
      await log.report(group, topic, partition, cursor);
      if (cursor !== undefined && behind.has(keyOf(topic, partition))) done(keyOf(topic, partition));
    },
    reports: (topic) => log.reports(topic),
    forget: (group) => log.forget(group),
    ...(log.usage === undefined ? {} : { usage: () => log.usage!() }),
    close: () => log.close(),
  };
}

/** A process that ends does not wait for it. */
function inAWhile(work: () => void): void {
  setTimeout(work, SETTLE_MS).unref();
}
