import { existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { filesKind } from '../../src/agent/files-kind.ts';
import { Agent, type AgentEvent, type AgentLimits, type FilesInput } from '../../src/agent/agent.ts';
import type { Log, OutgoingMessage } from '../../src/broker/broker.ts';
import type { Clock } from '../../src/lib/clock.ts';
import { ManualClock } from './manual-clock.ts';
import { type AppendFate, MemoryStore } from './memory-log.ts';
import { type RawContent, readRaw } from './raw-reader.ts';

export const TOPIC = 'tailrace.raw.web';
const SHARED_MEMORY = '/dev/shm';

export interface AgentSettings {
  readonly include?: readonly string[];
  readonly exclude?: readonly string[];
  readonly partitions?: number;
  readonly lineBytesMax?: number;
  readonly copyGraceMs?: number;
  /** In place of one input with the patterns above. */
  readonly inputs?: readonly Partial<FilesInput>[];
  readonly isOnce?: boolean;
  readonly closesAll?: boolean;
  readonly agentId?: string;
  readonly limits?: Partial<AgentLimits>;
}

/** What a killed process sees: nothing goes on. It is a TypeError so that nobody takes it for a failing disk. */
class Killed extends TypeError {
  override readonly name = 'Killed';
}

interface Life {
  readonly ended: Promise<void>;
  readonly stopping: AbortController;
  isDead: boolean;
  isOver: boolean;
  error: unknown;
}

/** One machine in a temporary folder: real files, a log in memory, a clock that a test moves, and an agent that can be killed. */
export class AgentWorld {
  readonly folder: string;
  readonly files: string;
  readonly dataDir: string;
  readonly clock = new ManualClock();
  readonly events: AgentEvent[] = [];
  readonly appended: OutgoingMessage[] = [];
  /** What becomes of the next appends; then all is well. */
  fates: AppendFate[] = [];
  readonly store = new MemoryStore({ clock: this.clock, fateOf: () => this.fates.shift() ?? 'ok' });
  log: Log = this.store.open();
  #settings: AgentSettings;
  #life: Life | undefined;

  /** With `inMemory` the files are in memory where the system has a place for that: fsync is free, and inodes are used again at once. */
  constructor(settings: AgentSettings = {}, inMemory = false) {
    const parent = inMemory && existsSync(SHARED_MEMORY) ? SHARED_MEMORY : tmpdir();
    this.folder = mkdtempSync(join(parent, 'tailrace-agent-'));
    this.files = join(this.folder, 'logs');
    this.dataDir = join(this.folder, 'data');
    mkdirSync(this.files, { recursive: true });
    this.#settings = settings;
  }

  path(name: string): string {
    return join(this.files, name);
  }

  get isRunning(): boolean {
    return this.#life?.isOver === false;
  }

  start(settings: AgentSettings = {}): void {
    this.#settings = { ...this.#settings, ...settings };
    const { include = [this.path('*')], exclude = [], partitions = 1, lineBytesMax = 262_144 } = this.#settings;
    const { isOnce = false, closesAll = false, agentId, limits = {} } = this.#settings;
    const { copyGraceMs = 30_000, inputs = [{}] } = this.#settings;
    const input = {
      name: 'web',
      kind: filesKind,
      topic: TOPIC,
      partitions,
      include,
      exclude,
      lineBytesMax,
      copyGraceMs,
    };
    const life: Life = {
      ended: Promise.resolve(),
      stopping: new AbortController(),
      isDead: false,
      isOver: false,
      error: undefined,
    };
    const agent = new Agent({
      clock: mortalClock(this.clock, life),
      log: mortalLog(this.log, life),
      notify: (event) => this.events.push(event),
      options: {
        dataDir: this.dataDir,
        isOnce,
        closesAll,
        limits,
        inputs: inputs.map((given) => ({ ...input, ...given })),
        ...(agentId === undefined ? {} : { agentId }),
      },
    });
    const run = async (): Promise<void> => {
      try {
        await agent.run(life.stopping.signal);
      } catch (error) {
        life.error = error;
      }
      life.isOver = true;
    };
    this.#life = Object.assign(life, { ended: run() });
  }

  /** Lets `ms` pass in steps a person could follow. */
  async pass(ms: number): Promise<void> {
    await this.clock.advance(ms);
  }

  /** Asks the agent to end, and waits for it. Throws what it ended with. */
  async stop(): Promise<void> {
    this.#life?.stopping.abort();
    await this.ended();
  }

  /** Waits for an agent that ends by itself. */
  async ended(): Promise<void> {
    const life = this.#life;
    if (life === undefined) return;
    while (!life.isOver) await this.clock.advance(50);
    this.#life = undefined;
    if (life.error !== undefined) throw life.error;
  }

  /** kill -9: no drain, no registry, no beat. */
  async kill(): Promise<void> {
    const life = this.#life;
    if (life === undefined) return;
    life.isDead = true;
    life.stopping.abort();
    await this.clock.advance(0);
    await life.ended;
    this.#life = undefined;
  }

  read(): Promise<RawContent> {
    return readRaw(this.log, TOPIC);
  }

  /** The bytes of every source, in the order of their numbers. */
  async texts(): Promise<string[]> {
    return [...(await this.read()).sources.values()].map((source) => source.bytes.toString('latin1'));
  }

  ofType<Type extends AgentEvent['type']>(type: Type): Extract<AgentEvent, { type: Type }>[] {
    return this.events.filter((event): event is Extract<AgentEvent, { type: Type }> => event.type === type);
  }

  async close(): Promise<void> {
    await this.kill();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

function mortalClock(clock: Clock, life: Life): Clock {
  const alive = (): void => {
    if (life.isDead) throw new Killed('killed');
  };
  return {
    nowMs: () => (alive(), clock.nowMs()),
    monotonicMs: () => (alive(), clock.monotonicMs()),
    sleep: async (ms, signal) => {
      await clock.sleep(ms, signal);
      alive();
    },
  };
}

/** A dead process appends nothing; what it had appended before stays. */
function mortalLog(log: Log, life: Life): Log {
  const append: Log['append'] = async (topic, partition, messages) => {
    if (life.isDead) throw new Killed('killed');
    const offset = await log.append(topic, partition, messages);
    if (life.isDead) throw new Killed('killed');
    return offset;
  };
  return new Proxy(log, {
    get(target, name) {
      if (name === 'append') return append;
      const member: unknown = Reflect.get(target, name);
      return typeof member === 'function' ? member.bind(target) : member;
    },
  });
}
