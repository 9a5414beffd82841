import { expect, test } from '@jest/globals';
import { type Log, epochTopic, rawTopic } from '../../src/broker/broker.ts';
import { staticAssignment } from '../../src/broker/static-assignment.ts';
import { AGGREGATES_BY_NAME } from '../../src/components.ts';
import { ENGINE_DEFAULTS, Engine, type EngineEvent } from '../../src/engine/engine.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { decodeGenesis } from '../../src/record/control.ts';
import { MemoryStore } from '../support/memory-log.ts';
import { CODECS, TestFile, beatMessage, plainPipeline } from '../support/raw-stream.ts';

const RAW = rawTopic('t', 'access');
const EPOCHS = epochTopic('t', 'web', 'access');

test('trimming may take longer than a checkpoint', async () => {
  const store = new MemoryStore({ clock: systemClock });
  const log = store.open();
  const timeoutMs = 400;
  const trim = log.trim.bind(log);
  log.trim = async (...args: Parameters<Log['trim']>) => {
    await systemClock.sleep(2 * timeoutMs);
    await trim(...args);
  };
  await log.ensureTopics([RAW, EPOCHS].map((topic) => ({ topic, partitions: 1, messageBytesMax: 1024 * 1024 })));
  const rawLog = decodeGenesis(store.partition(RAW, 0).messages[0]!.header).log;
  const file = new TestFile('a/1', ['0 k 0', '1 k 1']);
  file.readAtMs = systemClock.nowMs();
  await log.append(RAW, 0, [beatMessage(file.readAtMs, [file.report('announced')], { log: rawLog, isFull: true })]);
  const events: EngineEvent[] = [];
  const stop = new AbortController();
  let ids = 0;
  const engine = new Engine({
    clock: systemClock,
    log,
    newId: () => `${++ids}`.padStart(32, '0'),
    assignment: staticAssignment(0, 1),
    codecs: CODECS,
    aggregates: AGGREGATES_BY_NAME,
    options: {
      ...ENGINE_DEFAULTS,
      checkpoint: { ...ENGINE_DEFAULTS.checkpoint, positionsIntervalMs: 1, timeoutMs },
      pipeline: plainPipeline(),
      topicPrefix: 't',
      snapshotBytes: 1,
    },
    notify: (event) => {
      events.push(event);
      if (event.type === 'trimmed' && event.epochsBefore > 0) stop.abort();
    },
  });
  const running = engine.run(stop.signal);
  const write = async (): Promise<void> => {
    for (const line of [0, 1]) {
      await systemClock.sleep(100);
      await log.append(RAW, 0, [file.block(file.at(line), line === 0 ? file.at(1) : file.end)]);
    }
    // Each beat makes an epoch, and many epochs a snapshot: at the second the log is trimmed to the first.
    while (!stop.signal.aborted) {
      await log.append(RAW, 0, [beatMessage(systemClock.nowMs(), [], { log: rawLog })]);
      await systemClock.sleep(20);
    }
  };
  await Promise.all([running, write().finally(() => stop.abort()), running.catch(() => stop.abort())]);
  expect((await log.ends(EPOCHS))[0]!.start).toBeGreaterThan(0);
  expect(events.some(({ type }) => type === 'trimmed')).toBe(true);
});
