import { count } from '../../../src/aggregates/count.ts';
import { sum } from '../../../src/aggregates/sum.ts';
import { tumbling } from '../../../src/operators/tumbling-window.ts';
import { ENGINE_DEFAULTS } from '../../../src/engine/engine.ts';
import { type TaskEvent, runTask } from '../../../src/engine/task.ts';
import type { Pipeline } from '../../../src/epoch/pipeline.ts';
import { OperatingError } from '../../../src/lib/errors.ts';
import { plain } from '../../support/plain-codec.ts';
import { Process, type SteppedLog } from './stepped-log.ts';
import { PIPELINE_NAME, PREFIX, SimulatedCrash, STREAM, type World } from './world.ts';

/** Ways in which a task may end when the world is as hostile as this one. Everything else is a defect. */
const EXPECTED_CODES = ['FENCED', 'CHECKPOINT_TIMEOUT', 'LOG_FAILED'];

/** One of the engines that believe that the task is theirs: the real task, over the simulated log. */
export class SimulatedEngine {
  readonly name: string;
  readonly #world: World;
  #process: Process | undefined;
  #stop = new AbortController();
  #lives = 0;
  pauseSteps = 0;
  /** Code of the last error it ended with. */
  lastError = '';
  #log: SteppedLog | undefined;
  readonly #pipeline: Pipeline;

  constructor(world: World, name: string, pipelineName = PIPELINE_NAME) {
    this.#world = world;
    this.name = name;
    this.#pipeline = { ...world.pipeline, name: pipelineName };
  }

  get isUp(): boolean {
    return this.#process !== undefined;
  }

  get canStep(): boolean {
    return this.#process?.canStep === true;
  }

  /** Raw offset up to which this life has read. */
  get readTo(): number {
    return this.#process === undefined ? 0 : (this.#log?.readTo ?? 0);
  }

  /** The role is told to end; it writes what it has decided first. */
  stop(): void {
    this.#stop.abort();
  }

  kill(): void {
    if (this.#process !== undefined) this.#world.network.cut(this.#process.name);
    this.#process?.kill();
    this.#process = undefined;
    this.#world.note(`${this.name} killed`);
  }

  /** Starts it, or lets one thing happen that it waits for. */
  step(): void {
    if (this.pauseSteps > 0) {
      this.pauseSteps--;
      return;
    }
    if (this.#process === undefined) {
      if (this.#world.network.isFaithful || this.#world.random.chance(0.3)) this.#start();
    } else if (this.#process.canStep) this.#process.step();
  }

  #start(): void {
    const { profile, clock, random } = this.#world;
    const pipeline = this.#pipeline;
    const process = new Process(`${this.name}.${++this.#lives}`, random);
    this.#process = process;
    this.#stop = new AbortController();
    const log = this.#world.open(process);
    this.#log = log;
    const running = runTask(
      {
        clock,
        log,
        newId: () => this.#world.newId(),
        codecs: { plain },
        aggregates: { count, sum },
        operators: { tumbling },
        options: {
          ...ENGINE_DEFAULTS,
          pipeline,
          topicPrefix: PREFIX,
          checkpoint: { intervalMs: 15, minPauseMs: 0, timeoutMs: 500, positionsIntervalMs: 60 },
          snapshotBytes: profile.snapshotBytes,
          partBytesMax: profile.partBytesMax,
          retainMs: profile.trims ? profile.retainMs : Infinity,
        },
        notify: (event) => this.#hear(event),
      },
      { pipeline: pipeline.name, stream: STREAM, partition: 0 },
      this.#stop.signal,
    );
    running.then(
      () => this.#ended(process, undefined),
      (error: unknown) => this.#ended(process, error),
    );
  }

  #hear(event: TaskEvent): void {
    if (event.type === 'checkpoint') this.#world.note(`${this.name} committed ${event.n} to ${event.to}`);
    else if (event.type === 'refused') this.#world.visit(`engine refused: ${event.refusal.reason}`);
    else if (event.type === 'trimmed') {
      if (event.rawBefore > 0) this.#world.visit('raw trimmed');
      if (event.epochsBefore > 0) this.#world.visit('epochs trimmed');
    } else if (event.type === 'restored') this.#world.visit(event.epochs > 0 ? 'engine restored' : 'engine began');
  }

  #ended(process: Process, error: unknown): void {
    const isOurs = this.#process === process;
    process.kill();
    if (isOurs) this.#process = undefined;
    if (error === undefined) return this.#world.visit('engine stopped');
    if (error instanceof SimulatedCrash) return this.#world.visit(`engine crashed at ${error.message}`);
    const { losesRaw, losesEpochs } = this.#world.profile;
    const code = error instanceof OperatingError ? error.code : 'BUG';
    this.lastError = code;
    const isExpected = EXPECTED_CODES.includes(code) || (code === 'LOG_FORKED' && (losesRaw || losesEpochs));
    if (isExpected) this.#world.visit(`engine ended: ${code}`);
    else this.#world.violate(`${this.name} threw ${(error as Error).stack}`);
  }
}
