import { setTimeout as sleep } from 'node:timers/promises';
import type { Log, OutgoingMessage } from '../../src/broker/broker.ts';
import { OperatingError } from '../../src/lib/errors.ts';
import { sameBytes } from './log-messages.ts';

/** A request that was cut off may still be on its way through the broker. */
const SETTLED_MS = 1_000;

/**
 * A log that answers every append, over a network that loses answers: where the outcome is not known it looks whether the messages are there,
 * and sends them again only if they are not. One append at a time: what is sent again must not come behind what was appended later.
 */
export function surely(log: Log): Log {
  let last: Promise<unknown> = Promise.resolve();
  const append = async (topic: string, partition: number, messages: readonly OutgoingMessage[]): Promise<number> => {
    const from = (await log.ends(topic))[partition]?.end ?? 0;
    for (;;) {
      try {
        return await log.append(topic, partition, messages);
      } catch (error) {
        if (!(error instanceof OperatingError) || error.code !== 'LOG_UNREACHABLE') throw error;
      }
      await sleep(SETTLED_MS);
      const offset = await find(log, topic, partition, from, messages);
      if (offset !== undefined) return offset;
    }
  };
  return {
    ensureTopics: (specs) => log.ensureTopics(specs),
    read: (topic, partition, from, options) => log.read(topic, partition, from, options),
    ends: (topic) => log.ends(topic),
    trim: (topic, partition, before) => log.trim(topic, partition, before),
    report: (group, topic, partition, cursor) => log.report(group, topic, partition, cursor),
    reports: (topic) => log.reports(topic),
    forget: (group) => log.forget(group),
    close: () => log.close(),
    append(topic, partition, messages) {
      const outcome = last.then(() => append(topic, partition, messages));
      last = outcome.catch(() => undefined);
      return outcome;
    },
  };
}

async function find(
  log: Log,
  topic: string,
  partition: number,
  from: number,
  messages: readonly OutgoingMessage[],
): Promise<number | undefined> {
  let found = 0;
  for await (const batch of log.read(topic, partition, from, { isFollowing: false })) {
    for (const { offset, header, value } of batch) {
      const wanted = messages[found]!;
      found = sameBytes(header, wanted.header) && sameBytes(value, wanted.value) ? found + 1 : 0;
      if (found === messages.length) return offset - found + 1;
    }
  }
  return undefined;
}
