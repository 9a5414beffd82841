import { expect, test } from '@jest/globals';
import type { Log } from '../../src/broker/broker.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { EpochIndex, type ScanBudget } from '../../src/query/lag-index.ts';
import { EpochChain, pipelineOf } from '../support/epochs.ts';
import { MemoryStore } from '../support/memory-log.ts';

const budget = (ms: number): ScanBudget => ({ clock: systemClock, untilMs: systemClock.monotonicMs() + ms });

test('a look does not wait longer than it may for a trimmed partition’s first snapshot, and the next one goes on', async () => {
  const log = new MemoryStore({ clock: systemClock }).open();
  const chain = await EpochChain.begin(log);
  for (let n = 1; n <= 2; n++) await chain.append({ pipeline: pipelineOf(), fingerprints: {} });
  await log.trim(chain.topic, 0, 1);
  await chain.append({});
  const gate = Promise.withResolvers<void>();
  const read = log.read.bind(log);
  let reads = 0;
  log.read = async function* slow(...args: Parameters<Log['read']>) {
    reads++;
    await gate.promise;
    yield* read(...args);
  };
  const index = new EpochIndex(log, { topic: chain.topic, partition: 0 });
  await index.advance(0, 4, budget(30));
  await index.advance(0, 4, budget(30));
  expect([index.isComplete, index.last, reads]).toEqual([false, undefined, 1]);
  gate.resolve();
  await index.advance(0, 4, budget(20_000));
  expect([index.isComplete, index.last?.n]).toEqual([true, 3]);
});
