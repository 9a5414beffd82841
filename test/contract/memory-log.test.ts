import { systemClock } from '../../src/lib/clock.ts';
import type { Log } from '../../src/broker/broker.ts';
import { MemoryStore } from '../support/memory-log.ts';
import type { LogHarness } from '../support/log-harness.ts';
import { describeLogContract } from './log.ts';

function memoryHarness(): LogHarness {
  let clock = systemClock;
  const store = new MemoryStore({
    clock: { ...systemClock, nowMs: () => clock.nowMs() },
  });
  const opened: Log[] = [];
  return {
    async open(options = {}) {
      clock = options.clock ?? clock;
      store.diskMaxBytes = options.diskMaxBytes ?? store.diskMaxBytes;
      const log = store.open();
      opened.push(log);
      return log;
    },
    damage: (topic, partition, offset) => store.damage(topic, partition, offset),
    copy: () => store.copy(),
    async close() {
      for (const log of opened) await log.close();
    },
  };
}

describeLogContract('memory', memoryHarness, ['clock', 'disk_limit', 'damage', 'copy']);
