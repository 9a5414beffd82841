import type { OutgoingMessage } from '../../../src/broker/broker.ts';
import { COMPONENTS } from '../../../src/components.ts';
import { tablesOf } from '../../../src/config/tables.ts';
import { decodeEnvelope } from '../../../src/epoch/codec.ts';
import type { Pipeline, RollupSpec } from '../../../src/epoch/pipeline.ts';
import { epochTopic, rawTopic } from '../../../src/broker/broker.ts';
import { decodeGenesis } from '../../../src/record/control.ts';
import { MemoryStore } from '../../support/memory-log.ts';
import { Random } from '../../support/random.ts';
import type { SharedRegistry } from './agent-registry.ts';
import { SimulatedClock } from './clock.ts';
import { SimulatedFile } from './files.ts';
import { Network } from './network.ts';
import type { Profile } from './profile.ts';
import { SteppedLog, type Process } from './stepped-log.ts';

export const PREFIX = 't';
export const PIPELINE_NAME = 'sim';
export const LATE_PIPELINE_NAME = 'late';
export const STREAM = 'app';
export const RAW = rawTopic(PREFIX, STREAM);
export const EPOCHS = epochTopic(PREFIX, PIPELINE_NAME, STREAM);
export const WAREHOUSE_GROUP = 'warehouse';

/** Thrown by a fault point that stands for a crash. */
export class SimulatedCrash extends Error {}

/** What all actors of one run share. */
export class World {
  readonly profile: Profile;
  readonly random: Random;
  readonly clock = new SimulatedClock();
  readonly store: MemoryStore;
  readonly network: Network;
  readonly files: SimulatedFile[] = [];
  /** By machine. */
  readonly registries = new Map<string, SharedRegistry>();
  readonly pipeline: Pipeline;
  /** Id of the raw log. */
  readonly rawLog: string;
  /** What has happened how often: a simulation that never visits a case proves nothing of it. */
  readonly visits: Record<string, number> = {};
  readonly violations: string[] = [];
  /** Sources of which some committed epoch says that nothing more will come. */
  readonly overSources = new Set<string>();
  readonly #print: ((line: string) => void) | undefined;
  #hash = 0x811c9dc5;
  #ids = 0;
  steps = 0;

  constructor(seed: number, profile: Profile, print?: (line: string) => void) {
    this.profile = profile;
    this.#print = print;
    this.random = new Random(seed);
    this.store = new MemoryStore({ clock: this.clock });
    this.store.ensureTopic({ topic: RAW, partitions: 1, messageBytesMax: 1 << 20 });
    this.store.ensureTopic({ topic: EPOCHS, partitions: 1, messageBytesMax: 1 << 20 });
    const note = (event: string): void => this.note(event);
    this.network = new Network({ store: this.store, random: this.random, rawTopic: RAW, note });
    this.network.archive();
    this.rawLog = decodeGenesis(this.network.rawArchive[0]!.header).log;
    this.pipeline = pipelineOf(profile);
  }

  open(process: Process): SteppedLog {
    return new SteppedLog({ process, store: this.store, network: this.network, random: this.random });
  }

  newId(): string {
    return `e${(++this.#ids).toString(16).padStart(31, '0')}`;
  }

  /** One event of the run, for the trace and its hash. */
  note(event: string): void {
    for (let i = 0; i < event.length; i++) this.#hash = Math.imul(this.#hash ^ event.charCodeAt(i), 0x01000193);
    this.#print?.(`${String(this.steps).padStart(5)} ${this.clock.nowMs()} ${event}`);
  }

  visit(what: string): void {
    this.visits[what] = (this.visits[what] ?? 0) + 1;
    this.note(what);
  }

  violate(what: string): void {
    this.violations.push(what);
    this.note(`VIOLATION ${what}`);
  }

  get traceHash(): string {
    return (this.#hash >>> 0).toString(16);
  }

  get rawEnd(): number {
    return this.store.partition(RAW, 0).end;
  }

  get epochEnd(): number {
    return this.store.partition(EPOCHS, 0).end;
  }

  /** Raw offset up to which any epoch speaks, in the log or on its way there. */
  epochsTo(): number {
    const waiting = this.network.waiting
      .filter((request) => request.topic === EPOCHS)
      .flatMap((request) => request.messages);
    const messages = [...this.store.partition(EPOCHS, 0).messages, ...waiting];
    const epochs = messages.filter((message) => message.kind === 'epoch' || message.kind === 'part');
    return Math.max(0, ...epochs.map((message) => decodeEnvelope(message.header).to));
  }

  sendRaw(from: string, messages: readonly OutgoingMessage[], done?: (offset: number | undefined) => void): void {
    this.network.send({ from, topic: RAW, messages, done });
  }

  addFile(host: string): SimulatedFile {
    const file = new SimulatedFile(this.files.length, host);
    this.files.push(file);
    return file;
  }
}

function pipelineOf(profile: Profile): Pipeline {
  const byKey: RollupSpec = {
    from: STREAM,
    by: [{ field: 'key', type: 'keyword', column: 'key' }],
    window: { type: 'tumbling', sizeMs: 100, offsetMs: 0 },
    allowedLatenessMs: profile.allowedLatenessMs,
    rowsMax: 1_000_000,
    measures: [
      { name: 'requests', aggregate: 'count' },
      { name: 'total', aggregate: 'sum', field: 'value', fieldType: 'long' },
    ],
  };
  const all: RollupSpec = {
    from: STREAM,
    by: [],
    window: { type: 'tumbling', sizeMs: 70, offsetMs: 10 },
    allowedLatenessMs: 0,
    rowsMax: 1_000_000,
    measures: [{ name: 'requests', aggregate: 'count' }],
  };
  const eventTime = {
    field: 'time',
    outOfOrdernessMs: 30,
    idleTimeoutMs: 60,
    maxFutureMs: 1_000,
    agentLostTimeoutMs: 700,
  };
  const rollups = { by_key: byKey, all };
  return {
    version: 1,
    name: PIPELINE_NAME,
    streams: { [STREAM]: { partitions: 1, codec: { type: 'plain' }, eventTime } },
    rollups,
    tables: tablesOf(rollups, COMPONENTS),
  };
}
