import { afterEach, expect, test } from '@jest/globals';
import { type Log, epochTopic, rawTopic } from '../../src/broker/broker.ts';
import { AGGREGATES_BY_NAME } from '../../src/components.ts';
import { ENGINE_DEFAULTS, Engine, type EngineEvent, type EngineOptions } from '../../src/engine/engine.ts';
import { HANDOVER_MS } from '../../src/engine/keep-task.ts';
import { runGeneration } from '../../src/engine/run-generation.ts';
import { decodeEnvelope } from '../../src/epoch/codec.ts';
import { Fold } from '../../src/epoch/fold.ts';
import type { Pipeline } from '../../src/epoch/pipeline.ts';
import { type Clock, systemClock } from '../../src/lib/clock.ts';
import { EXIT, OperatingError } from '../../src/lib/errors.ts';
import { decodeGenesis } from '../../src/record/control.ts';
import { MemoryStore } from '../support/memory-log.ts';
import { BY_KEY, CODECS, TestFile, beatMessage, plainPipeline } from '../support/raw-stream.ts';
import { ScriptedAssignment } from '../support/scripted-assignment.ts';
import { until } from '../support/tailrace-process.ts';

const PARTITIONS = 2;
const RAW = rawTopic('t', 'access');
const EPOCHS = epochTopic('t', 'web', 'access');

/** Pauses are a tenth as long as they are. */
const QUICK: Clock = { ...systemClock, sleep: (ms, signal) => systemClock.sleep(ms / 10, signal) };

/** The pipeline of all tests, over both partitions, with more rollups or without. */
function pipelineOf(more: Pipeline['rollups'] = {}): Pipeline {
  const pipeline = plainPipeline({ traffic: BY_KEY, ...more });
  return { ...pipeline, streams: { access: { ...pipeline.streams['access']!, partitions: PARTITIONS } } };
}

const workers: Worker[] = [];

// One that a failed test leaves at work would keep the process alive.
afterEach(async () => {
  await Promise.all(workers.splice(0).map((worker) => worker.stop()));
});

/** An engine at work, and what it said. */
class Worker {
  readonly script: ScriptedAssignment;
  readonly events: EngineEvent[] = [];
  readonly #stop = new AbortController();
  readonly ended: Promise<unknown>;

  constructor(log: Log, name: string, isFixed = false, change: Partial<EngineOptions> = {}) {
    this.script = new ScriptedAssignment(RAW, isFixed);
    let ids = 0;
    const engine = new Engine({
      clock: QUICK,
      log,
      newId: () => `${name}${++ids}`.padStart(32, '0'),
      assignment: this.script,
      codecs: CODECS,
      aggregates: AGGREGATES_BY_NAME,
      options: {
        ...ENGINE_DEFAULTS,
        checkpoint: { ...ENGINE_DEFAULTS.checkpoint, intervalMs: 20 },
        pipeline: pipelineOf(),
        topicPrefix: 't',
        ...change,
      },
      notify: (event) => this.events.push(event),
    });
    workers.push(this);
    this.ended = engine.run(this.#stop.signal).then(
      () => 'drained',
      (error: unknown) => error,
    );
  }

  stop(): Promise<unknown> {
    this.#stop.abort();
    return this.ended;
  }

  count(type: EngineEvent['type']): number {
    return this.events.filter((event) => event.type === type).length;
  }
}

/** Raw partitions that grow, a line a block, and what the epochs that count say of them. */
class World {
  readonly log: Log;
  readonly store = new MemoryStore({ clock: systemClock });
  readonly #files: TestFile[] = [];
  readonly #written = [0, 0];

  constructor() {
    this.log = this.store.open();
  }

  async begin(): Promise<this> {
    const topics = [RAW, EPOCHS].map((topic) => ({ topic, partitions: PARTITIONS, messageBytesMax: 1024 * 1024 }));
    await this.log.ensureTopics(topics);
    for (let partition = 0; partition < PARTITIONS; partition++) {
      const file = new TestFile(
        `a/${partition + 1}`,
        Array.from({ length: 500 }, (_, line) => `${line} k ${line}`),
      );
      file.readAtMs = systemClock.nowMs();
      this.#files.push(file);
      const rawLog = decodeGenesis(this.store.partition(RAW, partition).messages[0]!.header).log;
      const beat = beatMessage(file.readAtMs, [file.report('announced')], { log: rawLog, isFull: true });
      await this.log.append(RAW, partition, [beat]);
    }
    return this;
  }

  async write(partition: number, lines = 1): Promise<void> {
    const file = this.#files[partition]!;
    for (let i = 0; i < lines; i++) {
      const line = this.#written[partition]!;
      this.#written[partition] = line + 1;
      await this.log.append(RAW, partition, [file.block(file.at(line), file.at(line + 1))]);
    }
  }

  /** Lines that counted epochs have taken in, by the ledger. */
  linesIn(partition: number): number {
    const { messages } = this.store.partition(EPOCHS, partition);
    const fold = new Fold({ name: 'test', hasBodies: true, offset: messages[0]!.offset });
    let lines = 0;
    for (const message of messages) {
      for (const { consumer, fate, sum } of fold.push(message)?.body?.ledger ?? []) {
        if (fate === 'in' && consumer === 'traffic') lines = sum.lines;
      }
    }
    return lines;
  }

  /** Waits until every line is decided, and sees that none was taken in twice. */
  async decided(partition: number): Promise<void> {
    const written = this.#written[partition]!;
    await until(
      () => this.linesIn(partition) >= written,
      10_000,
      () => `${this.linesIn(partition)} of ${written} lines`,
    );
    expect(this.linesIn(partition)).toBe(written);
  }
}

test('a partition that is taken away is drained, and another worker goes on with it', async () => {
  const world = await new World().begin();
  const [first, second] = [new Worker(world.log, 'a'), new Worker(world.log, 'b')];
  await systemClock.sleep(10);
  first.script.give(0, 1);
  second.script.give();
  for (const partition of [0, 1]) await world.write(partition, 20);
  for (const partition of [0, 1]) await world.decided(partition);
  await world.write(1, 20);
  first.script.give(0);
  second.script.give(1);
  for (const partition of [0, 1]) await world.write(partition, 20);
  for (const partition of [0, 1]) await world.decided(partition);
  expect(await first.stop()).toBe('drained');
  expect(await second.stop()).toBe('drained');
  expect([first.count('fenced'), second.count('fenced')]).toEqual([0, 0]);
  expect(second.events.find(({ type }) => type === 'restored')).toMatchObject({ task: { partition: 1 } });
  expect(first.events.filter(({ type }) => type === 'assigned')).toEqual([
    { type: 'assigned', gained: ['access/0', 'access/1'], lost: [], held: 2 },
    { type: 'assigned', gained: [], lost: ['access/1'], held: 1 },
  ]);
});

test('a partition that comes back at once is begun when its last task has ended', async () => {
  const world = await new World().begin();
  const append = world.log.append.bind(world.log);
  // Draining takes longer than the pause in which another worker's last epoch is waited for.
  world.log.append = async (...args: Parameters<Log['append']>) => {
    if (args[0] === EPOCHS) await systemClock.sleep(HANDOVER_MS / 5);
    return append(...args);
  };
  const worker = new Worker(world.log, 'a');
  await systemClock.sleep(10);
  for (let round = 0; round < 3; round++) {
    worker.script.give(0);
    await world.write(0, 5);
    await world.decided(0);
    await world.write(0, 5);
    await systemClock.sleep(30);
    worker.script.give();
  }
  worker.script.give(0);
  await world.decided(0);
  expect(await worker.stop()).toBe('drained');
  expect(worker.count('fenced')).toBe(0);
});

test('two workers that both believe in a partition fence each other, ask, and nothing counts twice', async () => {
  const world = await new World().begin();
  const both = [new Worker(world.log, 'a'), new Worker(world.log, 'b')];
  await systemClock.sleep(10);
  for (const { script } of both) script.give(0);
  for (let i = 0; i < 60; i++) {
    await world.write(0);
    await systemClock.sleep(5);
  }
  await world.decided(0);
  const fenced = both.reduce((sum, worker) => sum + worker.count('fenced'), 0);
  const asked = both.reduce((sum, worker) => sum + worker.script.confirmed, 0);
  expect(fenced).toBeGreaterThan(0);
  expect(asked).toBeGreaterThan(0);
  // One learns that it is not its own any more: it stops, and the other is alone.
  both[0]!.script.give();
  await world.write(0, 20);
  await world.decided(0);
  for (const worker of both) expect(await worker.stop()).toBe('drained');
});

test('a worker that was frozen while another went on, and trimmed what it had passed, is fenced and goes on', async () => {
  const world = await new World().begin();
  const log = world.store.open();
  const read = log.read.bind(log);
  const thawed = Promise.withResolvers<void>();
  let isFrozen = false;
  log.read = async function* whenThawed(...args: Parameters<Log['read']>) {
    if (isFrozen) await thawed.promise;
    yield* read(...args);
  };
  const frozen = new Worker(log, 'a');
  await systemClock.sleep(10);
  frozen.script.give(0);
  await world.write(0, 5);
  await world.decided(0);
  isFrozen = true;
  await world.write(0, 5);
  // The number makes it begin with a snapshot.
  const other = new Worker(world.log, 'b', false, { maySwitch: true, generation: 2 });
  await systemClock.sleep(10);
  other.script.give(0);
  await world.decided(0);
  await world.write(0, 5);
  await world.decided(0);
  const { messages } = world.store.partition(EPOCHS, 0);
  const snapshots = messages.filter(({ kind, header }) => kind === 'epoch' && decodeEnvelope(header).isSnapshot);
  expect(snapshots).toHaveLength(2);
  world.store.trim(EPOCHS, 0, snapshots[1]!.offset);
  thawed.resolve();
  await until(
    () => frozen.count('fenced') > 0,
    5000,
    () => 'nobody was fenced',
  );
  frozen.script.give();
  await world.write(0, 5);
  await world.decided(0);
  expect(await frozen.stop()).toBe('drained');
  expect(await other.stop()).toBe('drained');
});

test('with a fixed assignment the one that is fenced ends, with its own exit code', async () => {
  const world = await new World().begin();
  const both = [new Worker(world.log, 'a', true), new Worker(world.log, 'b', true)];
  await systemClock.sleep(10);
  for (const { script } of both) script.give(0);
  const write = async (): Promise<void> => {
    for (let i = 0; i < 100; i++) {
      await world.write(0);
      await systemClock.sleep(5);
    }
  };
  const [loser] = await Promise.all([Promise.race(both.map(({ ended }) => ended)), write()]);
  expect(loser).toMatchObject({ code: 'FENCED', exitCode: EXIT.fenced });
  await world.decided(0);
  for (const worker of both) await worker.stop();
});

test.each([true, false])(
  'an append that gets no answer ends the task and not the process (fixed: %s)',
  async (isFixed) => {
    const world = await new World().begin();
    const append = world.log.append.bind(world.log);
    let lost = 0;
    world.log.append = async (...args: Parameters<Log['append']>) => {
      const offset = await append(...args);
      if (args[0] !== EPOCHS || lost++ > 0) return offset;
      throw new OperatingError('no answer', { code: 'LOG_UNREACHABLE', isRetryable: true, exitCode: EXIT.unreachable });
    };
    const worker = new Worker(world.log, 'a', isFixed);
    await systemClock.sleep(10);
    worker.script.give(0);
    await world.write(0, 10);
    await world.decided(0);
    // It was written all the same: whoever folds finds it.
    await until(
      () => worker.count('restored') === 2,
      5000,
      () => 'no second task',
    );
    await world.write(0, 10);
    await world.decided(0);
    expect(await worker.stop()).toBe('drained');
  },
);

test('a worker that cannot take part any more drains what it has and says why', async () => {
  const world = await new World().begin();
  const worker = new Worker(world.log, 'a');
  await systemClock.sleep(10);
  worker.script.give(0);
  await world.write(0, 10);
  await world.decided(0);
  const error = new OperatingError('the group does not want it', { code: 'GROUP' });
  worker.script.fail(error);
  expect(await worker.ended).toBe(error);
});

const generationOf = async (world: World, pipeline: Pipeline): Promise<number> =>
  (await runGeneration(world.log, pipeline, () => EPOCHS)).generation;

test('a run finds its generation also where the epochs are trimmed while it reads them', async () => {
  const world = await new World().begin();
  const newer = pipelineOf({ more: BY_KEY });
  for (const pipeline of [pipelineOf(), newer]) {
    const generation = await generationOf(world, pipeline);
    const worker = new Worker(world.log, 'a', false, { pipeline, maySwitch: true, generation });
    await systemClock.sleep(10);
    worker.script.give(1);
    await world.write(1, 5);
    await world.decided(1);
    expect(await worker.stop()).toBe('drained');
  }
  const { messages } = world.store.partition(EPOCHS, 1);
  const snapshots = messages.filter(({ kind, header }) => kind === 'epoch' && decodeEnvelope(header).isSnapshot);
  const last = snapshots.at(-1)!.offset;
  expect(last).toBeGreaterThan(snapshots[0]!.offset);
  world.store.beforeBatch = (_, partition) => {
    if (partition === 1) world.store.trim(EPOCHS, 1, last);
  };
  expect(await runGeneration(world.log, newer, () => EPOCHS)).toEqual({ generation: 2, newest: 2 });
  expect(await runGeneration(world.log, pipelineOf(), () => EPOCHS)).toEqual({ generation: 3, newest: 2 });
});

test('hosts with different pipelines: a partition never goes back to the older one, whose run ends', async () => {
  const world = await new World().begin();
  const newer = pipelineOf({ more: BY_KEY });
  const brings = async (pipeline: Pipeline): Promise<Partial<EngineOptions>> => ({
    pipeline,
    maySwitch: true,
    generation: await generationOf(world, pipeline),
  });
  const first = new Worker(world.log, 'a', false, await brings(pipelineOf()));
  await systemClock.sleep(10);
  first.script.give(0, 1);
  for (const partition of [0, 1]) await world.write(partition, 5);
  for (const partition of [0, 1]) await world.decided(partition);
  const second = new Worker(world.log, 'b', false, await brings(newer));
  await systemClock.sleep(10);
  first.script.give(0);
  second.script.give(1);
  await world.write(1, 5);
  await world.decided(1);
  // Each has its own, and the older one goes on with what was never the newer one's.
  await world.write(0, 5);
  await world.decided(0);
  // The host with the newer pipeline is gone.
  await second.stop();
  first.script.give(0, 1);
  expect(await first.ended).toMatchObject({ code: 'SUPERSEDED', exitCode: EXIT.superseded });
  // Started again by its supervisor it is still the older one.
  const again = new Worker(world.log, 'c', false, { pipeline: pipelineOf(), maySwitch: true, generation: 1 });
  await systemClock.sleep(10);
  again.script.give(1);
  expect(await again.ended).toMatchObject({ code: 'SUPERSEDED' });
  const third = new Worker(world.log, 'd', false, await brings(newer));
  await systemClock.sleep(10);
  third.script.give(0, 1);
  for (const partition of [0, 1]) await world.write(partition, 5);
  for (const partition of [0, 1]) await world.decided(partition);
  expect(await third.stop()).toBe('drained');
});

test('the generation of a run is the newest of all partitions for the same pipeline, and one more for another', async () => {
  const world = await new World().begin();
  const [older, newer] = [pipelineOf(), pipelineOf({ more: BY_KEY })];
  const generations = async (): Promise<number[]> => [
    await generationOf(world, older),
    await generationOf(world, newer),
  ];
  const work = async (partition: number, change: Partial<EngineOptions>): Promise<void> => {
    const worker = new Worker(world.log, 'w', false, { maySwitch: true, ...change });
    await systemClock.sleep(10);
    worker.script.give(partition);
    await world.write(partition);
    await world.decided(partition);
    await worker.stop();
  };
  expect(await generations()).toEqual([1, 1]);
  await work(0, { pipeline: older, generation: 1 });
  expect(await generations()).toEqual([1, 2]);
  await work(1, { pipeline: newer, generation: 2 });
  expect(await generations()).toEqual([3, 2]);
  // Back to the older one: also where it never was another, so that no run of the newer one may take it over.
  await work(0, { pipeline: older, generation: 3 });
  expect(await generations()).toEqual([3, 4]);
  await work(1, { pipeline: older, generation: 3 });
  // Two that began at the same moment with different pipelines: the next start decides.
  await work(0, { pipeline: newer, generation: 4 });
  await work(1, { pipeline: pipelineOf({ other: BY_KEY }), generation: 4 });
  expect(await generations()).toEqual([5, 5]);
});
