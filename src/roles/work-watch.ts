import type { Log } from '../broker/broker.ts';

/**
 * A log whose user is watched: `worked` is called once, when it has done some of its work. A role that reads has, when of every partition it reads it
 * has reported a position, or has come to the end: then nothing that it meets there ends it. One that only writes has with its first append.
 */
export function watchWork(log: Log, worked: () => void): Log {
  const behind = new Set<string>();
  let reads = false;
  let isDone = false;
  const done = (key?: string): void => {
    if (isDone) return;
    if (key !== undefined) behind.delete(key);
    if (behind.size > 0) return;
    isDone = true;
    worked();
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
        behind.add(key);
      }
      for await (const messages of log.read(topic, partition, from, options)) {
        if (isWork && messages.length === 0) done(key);
        yield messages;
      }
      // Given up to others.
      if (isWork && behind.has(key)) done(key);
    },
    ends: (topic) => log.ends(topic),
    trim: (topic, partition, before) => log.trim(topic, partition, before),
    async report(group, topic, partition, cursor) {
      await log.report(group, topic, partition, cursor);
      if (cursor !== undefined && reads) done(keyOf(topic, partition));
    },
    reports: (topic) => log.reports(topic),
    forget: (group) => log.forget(group),
    ...(log.usage === undefined ? {} : { usage: () => log.usage!() }),
    close: () => log.close(),
  };
}
