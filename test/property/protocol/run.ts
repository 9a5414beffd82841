import { setFaultHandler } from '../../../src/lib/fault-point.ts';
import { encodeControl } from '../../../src/record/control.ts';
import { numberOf } from '../../../src/record/source.ts';
import { SimulatedAgent } from './agent.ts';
import { SharedRegistry } from './agent-registry.ts';
import { check, type DeclaredRange } from './checker.ts';
import { SimulatedEngine } from './engine.ts';
import { randomLine } from './files.ts';
import type { ModelStore } from './model-store.ts';
import { type Profile, profileOf } from './profile.ts';
import { SimulatedWarehouse } from './warehouse.ts';
import { runLatePipeline } from './late-pipeline.ts';
import { EPOCHS, LATE_PIPELINE_NAME, RAW, SimulatedCrash, WAREHOUSE_GROUP, World } from './world.ts';

export interface Outcome {
  readonly violations: readonly string[];
  readonly traceHash: string;
  readonly visits: Readonly<Record<string, number>>;
}

export interface RunOptions {
  readonly profile?: Partial<Profile>;
  readonly print?: (line: string) => void;
  /** Called when everything has drained and was found right, with what the warehouse holds. */
  readonly afterwards?: (world: World, store: ModelStore) => Promise<void>;
}

const FILES_MAX = 8;
const DRAIN_STEPS_MAX = 1_500;

/** One run: chaos, then everything heals and drains, then the books are checked. The same seed gives the same run. */
export async function simulate(seed: number, options: RunOptions = {}): Promise<Outcome> {
  const world = new World(seed, { ...profileOf(seed), ...options.profile }, options.print);
  const simulation = new Simulation(world);
  try {
    await simulation.chaos();
    await simulation.drain();
    setFaultHandler(undefined);
    if (world.violations.length === 0) await options.afterwards?.(world, simulation.store);
  } finally {
    simulation.end();
  }
  const { violations, traceHash, visits } = world;
  return { violations, traceHash, visits };
}

class Simulation {
  readonly #world: World;
  readonly #agents: SimulatedAgent[] = [];
  readonly #engines: SimulatedEngine[];
  readonly #warehouse: SimulatedWarehouse;
  readonly #declared: DeclaredRange[] = [];
  #healedAt = -1;
  /** Who is acting: a fault point may kill it. */
  #acting: { kill(): void } | undefined;

  constructor(world: World) {
    const { profile, store } = world;
    this.#world = world;
    this.#addAgent('agent-x', profile.hasZombie ? 2 : 1);
    if (profile.hasSecondAgent) this.#addAgent('agent-y', 1);
    if (profile.isCloned) this.#addAgent('agent-x', 1, 'other-machine');
    this.#engines = [new SimulatedEngine(world, 'engine-0'), new SimulatedEngine(world, 'engine-1')];
    this.#warehouse = new SimulatedWarehouse(world);
    // Who sets up a pipeline registers its sinks: until they report, they hold what is trimmed at the start.
    store.report(WAREHOUSE_GROUP, EPOCHS, 0, undefined);
    if (!profile.trims) store.report('never-there', EPOCHS, 0, undefined);
    setFaultHandler((point) => {
      if (
        world.network.isFaithful ||
        this.#acting === undefined ||
        !world.random.chance(point.startsWith('warehouse') ? 0.05 : 0.015)
      )
        return;
      this.#acting.kill();
      world.visit(`crash at ${point}`);
      throw new SimulatedCrash(point);
    });
  }

  get store(): ModelStore {
    return this.#warehouse.store;
  }

  end(): void {
    setFaultHandler(undefined);
    for (const engine of this.#engines) engine.kill();
    this.#warehouse.kill();
  }

  async chaos(): Promise<void> {
    const { random, network, clock, profile } = this.#world;
    for (let step = 0; step < profile.steps; step++) {
      this.#world.steps = step;
      const dice = random.next();
      if (dice < 0.12) this.#grow();
      else if (dice < 0.3) this.#pickAgent().step();
      else if (dice < 0.5) for (let i = 1 + random.below(3); i > 0; i--) network.step();
      else if (dice < 0.8) await this.#act(random.pick(this.#engines), 1 + random.below(8));
      else if (dice < 0.92) {
        await this.#act(this.#warehouse, 1 + random.below(5));
        if (this.#warehouse.hasForked && random.chance(0.5)) this.#warehouse.rebuild();
      } else if (dice < 0.94) clock.advance(random.below(150));
      else this.#fault();
      clock.advance(random.below(4));
    }
  }

  async drain(): Promise<void> {
    const { network, random, files, clock, profile } = this.#world;
    while (network.waiting.length > 0) network.step();
    network.isFaithful = true;
    const survivors = this.#agents.filter((agent) => !agent.name.endsWith('zombie'));
    for (const agent of this.#agents) agent.pauseSteps = 0;
    // Where there were two, the one that stays starts again: it must learn what the other has found.
    for (const agent of this.#agents) if (!survivors.includes(agent) || profile.hasZombie) agent.kill();
    this.#engines[1]!.kill();
    this.#engines[0]!.pauseSteps = 0;
    if (random.chance(0.5)) this.#warehouse.kill();
    for (const file of files) Object.assign(file, { isUnreadable: false, isEnded: true });
    this.#world.note('drain');
    for (let step = 0; step < DRAIN_STEPS_MAX; step++) {
      this.#world.steps++;
      clock.advance(1 + random.below(20));
      let isBusy = false;
      for (const agent of survivors) isBusy = agent.drainStep() || isBusy;
      while (network.waiting.length > 0) network.step();
      await this.#act(this.#engines[0]!, 4);
      await this.#act(this.#warehouse, 4);
      if (this.#warehouse.hasForked) this.#warehouse.rebuild();
      if (isBusy || this.#world.violations.length > 0) continue;
      if (this.#isDone()) break;
      if (this.#hasReadAll()) this.#heal(survivors, this.#warehouse.store);
    }
    // Raw lost what an engine had read and then wrote an epoch of: every later start stops and says so, as it must.
    const mayStop = this.#world.profile.losesReadRaw && this.#engines[0]!.lastError === 'LOG_FORKED';
    if (!this.#isDone() && mayStop) this.#world.visit('stopped: raw has forked');
    else if (!this.#isDone()) this.#world.violate(this.#whyStuck());
    else {
      check(this.#world, this.#warehouse.store, this.#declared);
      await this.#late(survivors);
    }
  }

  async #late(survivors: readonly SimulatedAgent[]): Promise<void> {
    const { profile, store, network } = this.#world;
    // Where marks may be lower than what is left of raw, a late pipeline has gaps that nobody heals for it.
    const isTrimmed = store.partition(RAW, 0).start > 0;
    if (profile.losesReadRaw || profile.isCloned || (isTrimmed && (profile.losesRaw || profile.hasZombie))) return;
    const engine = new SimulatedEngine(this.#world, 'late', LATE_PIPELINE_NAME);
    this.#engines.push(engine);
    await runLatePipeline(this.#world, engine, async (late) => {
      await this.#act(engine, 6);
      for (const agent of survivors) agent.drainStep();
      while (network.waiting.length > 0) network.step();
      // Its first full beat may have spoken of a source that was about to be sent again, and never was.
      if (late.cursor?.to === this.#world.rawEnd) this.#heal(survivors, late);
    });
  }

  #addAgent(id: string, processes: number, host = id): void {
    const registry = new SharedRegistry(processes > 1);
    this.#world.registries.set(host, registry);
    this.#agents.push(new SimulatedAgent(this.#world, id, host, registry, host));
    for (let i = 1; i < processes; i++)
      this.#agents.push(new SimulatedAgent(this.#world, id, `${id}.zombie`, registry));
  }

  #pickAgent(): SimulatedAgent {
    const { random } = this.#world;
    return random.chance(0.6) ? this.#agents[0]! : random.pick(this.#agents);
  }

  async #act(actor: { step(): void; readonly canStep: boolean; kill(): void }, times: number): Promise<void> {
    this.#acting = actor;
    for (let i = 0; i < times; i++) {
      if (i > 0 && !actor.canStep) break;
      actor.step();
      await settled();
    }
    this.#acting = undefined;
  }

  #grow(): void {
    const { random, files, clock, profile } = this.#world;
    const growing = files.filter((file) => !file.isEnded);
    if (files.length < FILES_MAX && (growing.length === 0 || random.chance(0.1))) {
      const file = this.#world.addFile(random.pick([...this.#world.registries.keys()]));
      file.append(randomLine(random, clock.nowMs()));
      return;
    }
    const dice = random.next();
    const file = random.pick(files);
    if (dice < 0.05) file.isUnreadable = !file.isUnreadable;
    else if (dice < 0.1 || (dice < 0.2 && profile.deletesFiles)) file.isEnded = true;
    else if (dice < 0.25 && profile.resumesFiles && !file.isDeleted) file.isEnded = false;
    const isOver = file.isEnded && file.acknowledged === file.length;
    if (isOver && profile.deletesFiles && random.chance(0.3)) file.isDeleted = true;
    if (file.isEnded) return;
    for (let i = 1 + random.below(6); i > 0; i--) file.append(randomLine(random, clock.nowMs()));
  }

  #fault(): void {
    const { random, profile, visits } = this.#world;
    const engine = random.pick(this.#engines);
    const agent = random.pick(this.#agents);
    const dice = random.below(14);
    if (dice === 0) engine.kill();
    else if (dice === 1) engine.pauseSteps = 3 + random.below(15);
    else if (dice === 2) engine.stop();
    else if (dice === 3 || dice === 12) agent.kill();
    else if (dice === 4) agent.pauseSteps = 5 + random.below(30);
    else if (dice === 5) agent.rewindSome();
    else if (dice === 6) this.#warehouse.kill();
    else if (dice === 7 && profile.losesRegistry) {
      // What forgets the registry does not spare a process that has it in memory.
      for (const other of this.#agents) if (other.id === agent.id) other.kill();
      agent.loseRegistry();
    } else if ((dice === 8 || dice === 13) && profile.losesRaw) this.#loseRaw();
    else if (dice === 9 && profile.losesEpochs && (visits['epochs lost'] ?? 0) < 2) this.#loseEpochs();
    else if (dice === 10 && profile.clocksJump) agent.clockOffsetMs = random.below(400) - 200;
    else if (dice === 11 && profile.losesRaw) this.#damageRaw();
  }

  /** Raw offset below which some engine has read, or, when that may be lost too, some epoch speaks of. */
  #readUpTo(): number {
    const engines = this.#world.profile.losesReadRaw ? [] : this.#engines.map((engine) => engine.readTo);
    return Math.max(1, this.#world.epochsTo(), ...engines);
  }

  #loseRaw(): void {
    const { store, network, random, rawEnd } = this.#world;
    const count = Math.min(1 + random.below(10), rawEnd - this.#readUpTo());
    if (count <= 0) {
      // Nothing is unread: later there will be.
      for (const engine of this.#engines) engine.pauseSteps = 10 + random.below(40);
      return;
    }
    store.loseTail(RAW, 0, count);
    network.rawLost(this.#world.rawEnd);
    this.#world.visit('raw lost');
  }

  #damageRaw(): void {
    const { store, network, random, rawEnd } = this.#world;
    const from = this.#readUpTo();
    if (from >= rawEnd) return;
    const offset = from + random.below(rawEnd - from);
    store.damage(RAW, 0, offset);
    network.rawDamaged(offset);
    this.#world.visit('raw damaged');
  }

  #loseEpochs(): void {
    const { store, random, epochEnd } = this.#world;
    const count = Math.min(1 + random.below(3), epochEnd - 1);
    if (count <= 0) return;
    store.loseTail(EPOCHS, 0, count);
    this.#world.visit('epochs lost');
  }

  #hasReadAll(): boolean {
    const { cursor } = this.#warehouse.store;
    return cursor !== undefined && cursor.to === this.#world.rawEnd;
  }

  #isDone(): boolean {
    const { tables } = this.#warehouse.store;
    if (!this.#hasReadAll() || tables.open.size > 0) return false;
    return (
      [...tables.sources.values()].every((mark) => mark.gapEnd === null) &&
      this.#shortMarks(this.#warehouse.store).length === 0
    );
  }

  /** Sources whose mark is below what they have to give. */
  #shortMarks({ tables }: ModelStore): { source: string; file: number; position: number; end: number }[] {
    return this.#world.files.flatMap((file) => {
      const identities = file.identities();
      const marks = [...tables.sources.values()].filter((mark) => identities.has(mark.identity));
      return marks
        .map(({ source, origin, position }) => {
          const next = marks.filter((other) => other.origin > origin).map((other) => other.origin);
          return { source, file: file.index, position, end: Math.min(file.length, ...next) };
        })
        .filter(({ position, end }) => position < end);
    });
  }

  /** What an operator does about a gap: the agent sends it again, or, where the file is gone, the loss is declared. */
  #heal(agents: readonly SimulatedAgent[], store: ModelStore): void {
    if (this.#healedAt === this.#world.rawEnd) return;
    this.#healedAt = this.#world.rawEnd;
    for (const { source, file: index, position, end } of this.#shortMarks(store)) {
      const file = this.#world.files[index]!;
      const agent = agents.find(({ host }) => host === file.host)!;
      if (agent.rewind(numberOf(source), position)) {
        this.#world.visit('gap healed');
        continue;
      }
      const header = encodeControl({ type: 'declared_loss', source, from: position, to: end, tail: file.tail(end) });
      this.#world.sendRaw('operator', [{ kind: 'control', header, value: new Uint8Array(0) }]);
      this.#declared.push({ file: index, from: position, to: end });
      this.#world.visit('loss declared');
    }
  }

  #whyStuck(): string {
    const { tables, cursor } = this.#warehouse.store;
    const marks = [...tables.sources.values()].map(
      ({ source, state, position, gapEnd }) =>
        `${source} ${state} ${position}${gapEnd === null ? '' : ` gap to ${gapEnd}`}`,
    );
    const refusals = new Set(tables.refusals.map(({ reason }) => reason));
    return `stuck: the warehouse is at ${cursor?.to} of raw ${this.#world.rawEnd}, ${tables.open.size} rows open; ${marks.join(', ')}; refused: ${[...refusals].join(', ')}; engine: ${this.#engines[0]!.lastError}`;
  }
}

/** Two turns of the event loop: what was let happen has had all its consequences. */
async function settled(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
  await new Promise((resolve) => setImmediate(resolve));
}
