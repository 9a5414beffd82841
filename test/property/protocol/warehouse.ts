import { OperatingError } from '../../../src/lib/errors.ts';
import { EpochQueue } from '../../../src/sinks/epoch-queue.ts';
import { EpochReader, type IncomingEpoch } from '../../../src/sinks/epoch-reader.ts';
import { ModelStore } from './model-store.ts';
import { Process } from './stepped-log.ts';
import { EPOCHS, SimulatedCrash, STREAM, WAREHOUSE_GROUP, type World } from './world.ts';

const QUEUE_BYTES_MAX = 4_000;
const FROM = { stream: STREAM, topic: EPOCHS, partition: 0 };

/** The warehouse: the real reader and queue, and a store over maps that commits as the real one does. */
export class SimulatedWarehouse {
  readonly store: ModelStore;
  readonly #world: World;
  #process: Process | undefined;
  #lives = 0;
  /** The log is not the one this warehouse was made from. */
  hasForked = false;

  constructor(world: World) {
    this.#world = world;
    this.store = new ModelStore(world);
  }

  get canStep(): boolean {
    return this.#process?.canStep === true;
  }

  kill(): void {
    this.#process?.kill();
    this.#process = undefined;
  }

  step(): void {
    if (this.#process === undefined) {
      if (this.#world.network.isFaithful || this.#world.random.chance(0.5)) this.#start();
    } else if (this.#process.canStep) this.#process.step();
  }

  /** What the error tells the operator to do after a fork: the file is moved away and made again from the log. */
  rebuild(): void {
    this.kill();
    this.store.clear();
    this.hasForked = false;
  }

  #start(): void {
    const process = new Process(`warehouse.${++this.#lives}`, this.#world.random);
    this.#process = process;
    void this.#run(process).catch((error: unknown) => this.#ended(process, error));
  }

  /** As `Warehouse` in src/sinks/duckdb/warehouse.ts. */
  async #run(process: Process): Promise<void> {
    const log = this.#world.open(process);
    const queue = new EpochQueue<IncomingEpoch>(QUEUE_BYTES_MAX);
    const reader = new EpochReader({ log, group: WAREHOUSE_GROUP, from: FROM, cursor: this.store.cursor });
    const reading = reader.run(new AbortController().signal, (incoming, sizeBytes) => queue.put(incoming, sizeBytes));
    reading.catch((error: unknown) => queue.end(error));
    while (await queue.wait()) {
      const epochs = await process.gate(() => {
        const taken: IncomingEpoch[] = [];
        for (let i = 1 + this.#world.random.below(3); i > 0 && queue.peek() !== undefined; i--)
          taken.push(queue.take()!.item);
        this.store.fold(taken);
        return taken;
      });
      const { nextOffset, epoch } = epochs.at(-1)!;
      this.#world.note(`warehouse committed ${epoch.envelope.n}`);
      await log.report(WAREHOUSE_GROUP, EPOCHS, 0, { offset: nextOffset, id: epoch.envelope.id });
    }
  }

  #ended(process: Process, error: unknown): void {
    process.kill();
    if (this.#process === process) this.#process = undefined;
    if (error instanceof SimulatedCrash) return this.#world.visit(`warehouse crashed at ${error.message}`);
    const code = error instanceof OperatingError ? error.code : '';
    if (code === 'LOG_FORKED' && this.#world.profile.losesEpochs) {
      this.hasForked = true;
      this.#world.visit('warehouse saw a fork');
    } else this.#world.violate(`the warehouse threw ${(error as Error).stack}`);
  }
}
