import { copyFileSync, existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Agent, type AgentEvent, type AgentInput, type AgentLimits } from '../../src/agent/agent.ts';
import { registryPath } from '../../src/agent/registry.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { type FaultPoint, setFaultHandler } from '../../src/lib/fault-point.ts';
import { type Beat, type SourceReport, decodeBeat } from '../../src/record/beat.ts';
import { type BlockHeader, decodeBlockHeader } from '../../src/record/block.ts';
import { type LineSum, addLine, emptySum } from '../../src/record/line-id.ts';
import { type SourceId, sourceId } from '../../src/record/source.ts';
import { MemoryStore } from './memory-log.ts';
import { until } from './tailrace-process.ts';

export const RAW = 'tailrace.raw.s';
/** A world in which seconds are tens of milliseconds. */
const LIMITS: Partial<AgentLimits> = {
  scanMs: 40,
  lingerMs: 10,
  beatMs: 40,
  beatIdleMs: 40,
  registryMs: 20,
  missingMs: 1_500,
  onceWaitMs: 20_000,
  deletedQuietMs: 500,
  retryMs: 10,
  retryMsMax: 50,
};

/** It is a TypeError so that nobody takes it for a failure of a source. */
class Killed extends TypeError {
  override readonly name = 'Killed';
}

/** What a reader of raw has of one source. */
export interface ReadSource {
  /** Lines by their offset, in the order they came. */
  readonly lines: Map<number, string>;
  readonly sum: LineSum;
  readonly origin: number;
  readonly cut: number[];
  position: number;
  /** What the last beat said of it. */
  report: SourceReport | undefined;
}

/** An agent in this process, on the system's clock and a log in memory, that reads one input of any kind. */
export class SourceWorld {
  readonly folder = mkdtempSync(join(tmpdir(), 'tailrace-source-'));
  readonly dataDir = join(this.folder, 'data');
  readonly events: AgentEvent[] = [];
  readonly store = new MemoryStore({ clock: systemClock });
  input: AgentInput;
  #stopping = new AbortController();
  #ended: Promise<unknown> | undefined;

  readonly #limits: Partial<AgentLimits>;

  constructor(input: AgentInput, limits: Partial<AgentLimits> = {}) {
    this.input = input;
    this.#limits = { ...LIMITS, ...limits };
  }

  start(isOnce = false): void {
    this.#stopping = new AbortController();
    const agent = new Agent({
      clock: systemClock,
      log: this.store.open(),
      notify: (event) => this.events.push(event),
      options: { dataDir: this.dataDir, inputs: [this.input], isOnce, limits: this.#limits },
    });
    this.#ended = agent.run(this.#stopping.signal).then(
      () => undefined,
      (error: unknown) => error,
    );
  }

  /** Asks it to end, and throws what it ended with. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.ended();
  }

  async ended(): Promise<void> {
    const error = await this.#ended;
    this.#ended = undefined;
    if (error !== undefined) throw error;
  }

  /** Reads all there is, and ends. */
  async once(): Promise<void> {
    this.start(true);
    await this.ended();
  }

  /** Runs it until it is killed at the `pass`th time that it comes to a fault point. False if it did not come there in time. */
  async killedAt(point: FaultPoint, pass: number, withinMs = 30_000): Promise<boolean> {
    let left = pass;
    setFaultHandler((reached) => {
      if (reached === point && --left === 0) throw new Killed(point);
    });
    this.start();
    await until(
      () => left <= 0,
      withinMs,
      () => '',
    ).catch(() => this.#stopping.abort());
    const error = await this.#ended;
    setFaultHandler(undefined);
    this.#ended = undefined;
    if (error !== undefined && !(error instanceof Killed)) throw error;
    return error !== undefined;
  }

  loseRegistry(): void {
    rmSync(this.dataDir, { recursive: true, force: true });
  }

  /** Keeps a copy of the registry, and puts it back later as if what came since had never been written. */
  keepRegistry(): () => void {
    const copy = join(this.folder, 'registry-copy');
    copyFileSync(registryPath(this.dataDir), copy);
    return () => copyFileSync(copy, registryPath(this.dataDir));
  }

  ofType<Type extends AgentEvent['type']>(type: Type): Extract<AgentEvent, { type: Type }>[] {
    return this.events.filter((event): event is Extract<AgentEvent, { type: Type }> => event.type === type);
  }

  async says(type: AgentEvent['type'], withinMs = 20_000): Promise<void> {
    await until(
      () => this.events.some((event) => event.type === type),
      withinMs,
      () => `said no ${type}`,
    );
  }

  /** Everything in the log by the block rule. Throws where a block is refused: a correct agent causes none. */
  async read(): Promise<Map<SourceId, ReadSource>> {
    const sources = new Map<SourceId, ReadSource>();
    const log = this.store.open();
    for (const [partition, { start, end }] of (await log.ends(RAW)).entries()) {
      if (end === start) continue;
      for await (const batch of log.read(RAW, partition, start, { isFollowing: false })) {
        for (const { kind, header, value, damaged } of batch) {
          if (kind === 'beat') takeBeat(sources, decodeBeat(header));
          if (kind === 'block' && damaged === undefined)
            takeBlock(sources, decodeBlockHeader(header), Buffer.from(value));
        }
      }
    }
    return sources;
  }

  async beats(): Promise<Beat[]> {
    const beats: Beat[] = [];
    const log = this.store.open();
    for (const [partition, { start }] of (await log.ends(RAW)).entries()) {
      for await (const batch of log.read(RAW, partition, start, { isFollowing: false })) {
        for (const { kind, header } of batch) if (kind === 'beat') beats.push(decodeBeat(header));
      }
    }
    return beats;
  }

  /** A disk that has lost some: blocks that begin at a position or later are damaged, and count for nothing. */
  damageBlocksFrom(position: number): void {
    for (const [partition, { messages }] of this.store.partitionsOf(RAW).entries()) {
      for (const { kind, header, offset } of messages) {
        if (kind === 'block' && header.length > 0 && decodeBlockHeader(header).start >= position)
          this.store.damage(RAW, partition, offset);
      }
    }
  }

  /** The lines of all sources, in the order of their numbers and offsets. */
  async lines(): Promise<string[]> {
    return [...(await this.read()).values()].flatMap(({ lines }) => [...lines.values()]);
  }

  /** Waits until so many lines are in the log and every open source is said to be at its end. */
  async settled(lines: number, withinMs = 20_000): Promise<void> {
    const isSettled = async (): Promise<boolean> => {
      if (!existsSync(registryPath(this.dataDir))) return false;
      const sources = [...(await this.read()).values()];
      const count = sources.reduce((sum, source) => sum + source.lines.size, 0);
      const isAtEnd = sources.every(
        ({ report, position }) => report?.position === position && /caught_up|closed/.test(report.state),
      );
      return count >= lines && isAtEnd;
    };
    await until(isSettled, withinMs, () => `no ${lines} lines: ${JSON.stringify(this.events.slice(-5))}`);
  }

  async close(): Promise<void> {
    this.#stopping.abort();
    await this.#ended;
    rmSync(this.folder, { recursive: true, force: true });
  }
}

function takeBeat(sources: Map<SourceId, ReadSource>, beat: Beat): void {
  for (const report of beat.sources) {
    const id = sourceId(beat.agent, report.number);
    open(sources, id, report.origin).report = report;
  }
}

function open(sources: Map<SourceId, ReadSource>, id: SourceId, origin: number): ReadSource {
  const known = sources.get(id);
  if (known !== undefined) return known;
  const source = { lines: new Map(), sum: emptySum(), origin, cut: [], position: origin, report: undefined };
  sources.set(id, source);
  return source;
}

function takeBlock(sources: Map<SourceId, ReadSource>, block: BlockHeader, value: Buffer): void {
  const source = open(sources, block.source, block.origin);
  if (block.end <= source.position) return;
  if (block.prev > source.position) throw new Error(`a gap in ${block.source}: ${source.position} to ${block.prev}`);
  let at = 0;
  for (let line = 0; line < block.lines; line++) {
    const newline = value.indexOf(10, at);
    const end = block.lengths === undefined ? (newline < 0 ? value.length : newline) : at + block.lengths[line]!;
    const offset = block.offsets?.[line] ?? block.start + at;
    if (offset >= source.position) {
      source.lines.set(offset, value.toString('utf8', at, end));
      addLine(source.sum, block.source, offset);
      if (block.cut?.includes(line) === true) source.cut.push(offset);
    }
    at = end + 1;
  }
  source.position = block.end;
}
