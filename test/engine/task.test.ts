import { expect, test } from '@jest/globals';
import { type Log, epochTopic, rawTopic } from '../../src/broker/broker.ts';
import { staticAssignment } from '../../src/broker/static-assignment.ts';
import { COMPONENTS } from '../../src/components.ts';
import { ENGINE_DEFAULTS, Engine, type EngineEvent } from '../../src/engine/engine.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { OperatingError } from '../../src/lib/errors.ts';
import { decodeGenesis } from '../../src/record/control.ts';
import { MemoryStore } from '../support/memory-log.ts';
import { CODECS, TestFile, beatMessage, plainPipeline } from '../support/raw-stream.ts';

const RAW = rawTopic('t', 'access');
const EPOCHS = epochTopic('t', 'web', 'access');

interface Run {
  readonly events: readonly EngineEvent[];
  readonly epochsFrom: number;
}

/** An engine that makes a snapshot of every second epoch, on a log that trims by `trim`, until `isEnough`. */
async function runEngine(
  trim: (log: () => Promise<void>) => Promise<void>,
  isEnough: (events: readonly EngineEvent[]) => boolean,
): Promise<Run> {
  const store = new MemoryStore({ clock: systemClock });
  const log = store.open();
  const trimLog = log.trim.bind(log);
  log.trim = (...args: Parameters<Log['trim']>) => trim(() => trimLog(...args));
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
    aggregates: COMPONENTS.aggregates,
    operators: COMPONENTS.operators,
    options: {
      ...ENGINE_DEFAULTS,
      checkpoint: { ...ENGINE_DEFAULTS.checkpoint, positionsIntervalMs: 1, timeoutMs: CHECKPOINT_MS },
      pipeline: plainPipeline(),
      topicPrefix: 't',
      snapshotBytes: 1,
    },
    notify: (event) => {
      events.push(event);
      if (isEnough(events)) stop.abort();
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
  return { events, epochsFrom: (await log.ends(EPOCHS))[0]!.start };
}

const CHECKPOINT_MS = 400;
const count = (events: readonly EngineEvent[], type: EngineEvent['type']): number =>
  events.filter((event) => event.type === type).length;

test('trimming may take longer than a checkpoint', async () => {
  const { epochsFrom } = await runEngine(
    async (trim) => {
      await systemClock.sleep(2 * CHECKPOINT_MS);
      await trim();
    },
    (events) => events.some((event) => event.type === 'trimmed' && event.epochsBefore > 0),
  );
  expect(epochsFrom).toBeGreaterThan(0);
});

test('trimming that is refused is said once, and ends nothing', async () => {
  let tries = 0;
  const { events, epochsFrom } = await runEngine(
    () => {
      tries++;
      throw new OperatingError('no right to delete', { code: 'LOG_ACCESS_DENIED' });
    },
    () => tries >= 3,
  );
  expect(count(events, 'trim_failed')).toBe(1);
  expect(count(events, 'restored')).toBe(1);
  expect(epochsFrom).toBe(0);
});

test('trimming that gets no answer holds up no checkpoint', async () => {
  const answer = Promise.withResolvers<void>();
  let before: number | undefined;
  let isAsked = false;
  const { events } = await runEngine(
    () => {
      isAsked = true;
      return answer.promise;
    },
    (events) => {
      if (isAsked) before ??= count(events, 'checkpoint');
      const isEnough = before !== undefined && count(events, 'checkpoint') > before + 5;
      if (isEnough) answer.resolve();
      return isEnough;
    },
  );
  expect(count(events, 'restored')).toBe(1);
});
