// Engines over a log in memory, each with an assignment that the test scripts, and raw partitions that grow.
import { expect } from '@jest/globals';
import { type Log, epochTopic, rawTopic } from '../../src/broker/broker.ts';
import { COMPONENTS } from '../../src/components.ts';
import { ENGINE_DEFAULTS, Engine, type EngineEvent, type EngineOptions } from '../../src/engine/engine.ts';
import { Fold } from '../../src/epoch/fold.ts';
import type { Pipeline } from '../../src/epoch/pipeline.ts';
import { type Clock, systemClock } from '../../src/lib/clock.ts';
import { decodeGenesis } from '../../src/record/control.ts';
import { MemoryStore } from './memory-log.ts';
import { BY_KEY, CODECS, TestFile, beatMessage, plainPipeline } from './raw-stream.ts';
import { ScriptedAssignment } from './scripted-assignment.ts';
import { until } from './tailrace-process.ts';

export const PARTITIONS = 2;
export const RAW = rawTopic('t', 'access');
export const EPOCHS = epochTopic('t', 'web', 'access');

/** Pauses are a tenth as long as they are. */
const QUICK: Clock = { ...systemClock, sleep: (ms, signal) => systemClock.sleep(ms / 10, signal) };

/** The pipeline of all tests, over both partitions, with more rollups or without. */
export function pipelineOf(more: Pipeline['rollups'] = {}): Pipeline {
  const pipeline = plainPipeline({ traffic: BY_KEY, ...more });
  return { ...pipeline, streams: { access: { ...pipeline.streams['access']!, partitions: PARTITIONS } } };
}

const workers: Worker[] = [];

/** One that a failed test leaves at work would keep the process alive. */
export async function stopWorkers(): Promise<void> {
  await Promise.all(workers.splice(0).map((worker) => worker.stop()));
}

/** An engine at work, and what it said. */
export class Worker {
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
      aggregates: COMPONENTS.aggregates,
      operators: COMPONENTS.operators,
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
export class World {
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
