import { encodeBeats } from '../../../src/agent/beats.ts';
import type { OutgoingMessage } from '../../../src/broker/broker.ts';
import { isMutant } from '../../../src/lib/mutant.ts';
import { decodeBeat, type SourceReport } from '../../../src/record/beat.ts';
import { sourceId } from '../../../src/record/source.ts';
import type { SavedSource, SharedRegistry } from './agent-registry.ts';
import { readBlock, reportOf, summaryOf, type Tracked } from './agent-source.ts';
import type { SimulatedFile } from './files.ts';
import { RAW, type World } from './world.ts';

const NO_VALUE = new Uint8Array(0);

interface InFlight {
  readonly messages: readonly OutgoingMessage[];
  readonly acknowledged: () => void;
  readonly isSplit: boolean;
  result: 'waiting' | 'acknowledged' | 'rejected';
}

/**
 * One process of an agent: the steps of src/agent over files that are no files. It announces before it reads, has one append in
 * flight, sends a rejected one again as it was, registers acknowledged positions when it pleases, and rebuilds what it lost from the log.
 */
export class SimulatedAgent {
  readonly id: string;
  readonly name: string;
  /** The machine it runs on: it sees the files there. */
  readonly host: string;
  readonly #world: World;
  readonly #registry: SharedRegistry;
  isUp = false;
  pauseSteps = 0;
  #sources = new Map<number, Tracked>();
  #nextNumber = 1;
  #offset = 0;
  #unannounced = new Set<Tracked>();
  #inFlight: InFlight | undefined;
  #lives = 0;
  clockOffsetMs = 0;
  /** Sources an operator wants to be sent again, by number. */
  readonly #rewinds = new Map<number, number>();
  hasSentEnd = false;

  constructor(world: World, id: string, name: string, registry: SharedRegistry, host = id) {
    this.host = host;
    this.#world = world;
    this.id = id;
    this.name = name;
    this.#registry = registry;
  }

  get #sender(): string {
    return `${this.name}.${this.#lives}`;
  }

  get isIdle(): boolean {
    return this.#inFlight === undefined && this.#unannounced.size === 0;
  }

  kill(): void {
    this.isUp = false;
    this.#inFlight = undefined;
    this.#world.network.cut(this.#sender);
    this.#world.note(`${this.name} killed`);
  }

  /** The disk loses the registry, or gets an old copy back; what any process of this agent had under way does not outlive that. */
  loseRegistry(): void {
    const { random } = this.#world;
    this.kill();
    this.#world.network.settle(this.id);
    if (random.chance(0.5)) this.#registry.lose();
    else this.#registry.rollBack((count) => random.below(count));
    this.#world.visit('registry lost');
  }

  step(): void {
    const { random } = this.#world;
    if (this.pauseSteps > 0) {
      this.pauseSteps--;
      return;
    }
    if (!this.isUp) {
      if (random.chance(0.3)) this.#start();
      return;
    }
    if (this.#inFlight !== undefined) return this.#look(this.#inFlight);
    this.#close();
    if (this.#unannounced.size > 0) return this.#beat(random.chance(0.2), true);
    const dice = random.next();
    if (dice < 0.2) this.#scan();
    else if (dice < 0.32) this.#beat(random.chance(0.35), false);
    else if (dice < 0.42) this.#save();
    else this.#readBlocks();
  }

  /** With nothing going wrong: one step towards having sent and closed everything. False when all is done. */
  drainStep(): boolean {
    if (!this.isUp) this.#start();
    if (this.#inFlight !== undefined) {
      this.#look(this.#inFlight);
      return true;
    }
    this.#scan();
    if (this.#unannounced.size > 0) this.#beat(false, true);
    else if (this.#readBlocks()) return true;
    this.#close();
    if (this.#inFlight !== undefined) return true;
    if ([...this.#sources.values()].some((source) => source.reported !== summaryOf(source))) this.#beat(false, false);
    else if (!this.hasSentEnd) {
      this.hasSentEnd = true;
      this.#beat(true, false, true);
    } else return false;
    return true;
  }

  /** An operator asks for a source from `position` on. False if this agent knows nothing of it. */
  rewind(number: number, position: number): boolean {
    const source = this.#sources.get(number);
    if (source === undefined || source.position < position || source.origin > position) return false;
    if (source.file.isDeleted && !source.isOpen) return false;
    if (this.#inFlight === undefined) this.#rewindNow(source, position);
    else this.#rewinds.set(number, position);
    this.hasSentEnd = false;
    return true;
  }

  /** Sends something again that was acknowledged, with other boundaries. */
  rewindSome(): void {
    const { random } = this.#world;
    const source = random.pick([...this.#sources.values(), undefined]);
    // Sent again and then deleted, what raw has lost would be nowhere, and nobody could know.
    if (this.#world.profile.losesRaw && this.#world.profile.deletesFiles) return;
    if (!this.isUp || this.#inFlight !== undefined || source === undefined || source.position === source.origin) return;
    const starts = source.file.linesIn(source.origin, source.position).map((line) => line.offset);
    if (starts.length > 0 && this.rewind(source.number, random.pick(starts))) this.#world.visit('resend');
  }

  #rewindNow(source: Tracked, position: number): void {
    this.#world.note(`${this.name} rewinds ${source.number} to ${position}`);
    Object.assign(source, { position, read: position, isClosed: false, isRewound: true });
  }

  #start(): void {
    const { store, files } = this.#world;
    this.#lives++;
    this.isUp = true;
    this.hasSentEnd = false;
    this.#unannounced.clear();
    this.#sources = new Map();
    const saved = this.#registry.current;
    this.#nextNumber = saved?.nextNumber ?? 1;
    for (const entry of saved?.sources.values() ?? []) this.#track(entry, files[entry.file]!);
    const { messages, start, end } = store.partition(RAW, 0);
    const from = Math.max(start, saved?.offset ?? 0);
    for (const message of messages) {
      if (message.offset < from || message.kind !== 'beat' || message.damaged !== undefined) continue;
      const beat = decodeBeat(message.header);
      if (beat.agent !== this.id) continue;
      this.#nextNumber = Math.max(this.#nextNumber, (beat.numberMax ?? 0) + 1);
      for (const report of beat.sources) this.#learn(report);
    }
    this.#offset = end;
    // A new life tells of everything before it sends a line: the log must know each source that any registry forgets.
    for (const source of this.#sources.values()) this.#unannounced.add(source);
    this.#world.note(`${this.name} starts with ${this.#sources.size} sources, next ${this.#nextNumber}`);
    if (saved === undefined && this.#sources.size > 0) this.#world.visit('registry rebuilt');
  }

  /** What the log says of a source, as src/agent/recovery.ts takes it. */
  #learn(report: SourceReport): void {
    const { number, origin, position, quietSinceMs } = report;
    this.#nextNumber = Math.max(this.#nextNumber, number + 1);
    const known = this.#sources.get(number);
    if (known !== undefined && known.file.identity(known.origin) !== report.identity) return;
    const isClosed = report.state === 'closed';
    if (report.state === 'forgotten') this.#sources.delete(number);
    else if (known === undefined) {
      const file = this.#world.files.find((candidate) => candidate.identity(origin) === report.identity)!;
      this.#track({ number, file: file.index, origin, position, isClosed, quietSinceMs, isRewound: false }, file);
    } else if (!known.isRewound && position >= known.position) {
      Object.assign(known, { position, read: position, quietSinceMs, isClosed: known.isClosed || isClosed });
    }
  }

  #track(entry: SavedSource, file: SimulatedFile): Tracked {
    const { number, origin, position, isClosed, quietSinceMs, isRewound } = entry;
    const life = { read: position, isForgotten: false, isAnnounced: false, isOpen: false, reported: '' };
    const source = { number, file, origin, position, isClosed, quietSinceMs, isRewound, ...life };
    this.#sources.set(number, source);
    return source;
  }

  #look(inFlight: InFlight): void {
    if (inFlight.result === 'waiting') {
      if (this.#world.random.chance(0.3)) this.#save();
      if (!this.#world.network.isFaithful && !this.#world.random.chance(0.1)) return;
      // No answer: it is sent again, and the first may still arrive.
    } else if (inFlight.result === 'acknowledged') {
      this.#inFlight = undefined;
      inFlight.acknowledged();
      for (const [number, position] of this.#rewinds) this.rewind(number, position);
      this.#rewinds.clear();
      return;
    }
    this.#send(inFlight.messages, inFlight.acknowledged, inFlight.isSplit);
  }

  /** In one append, or, `isSplit`, in one for each message. */
  #send(messages: readonly OutgoingMessage[], acknowledged: () => void, isSplit = false): void {
    const inFlight: InFlight = { messages, acknowledged, isSplit, result: 'waiting' };
    this.#inFlight = inFlight;
    const appends = isSplit ? messages.map((message) => [message]) : [messages];
    let open = appends.length;
    const life = this.#lives;
    for (const append of appends) {
      this.#world.sendRaw(this.#sender, append, (offset) => {
        open--;
        if (offset === undefined) inFlight.result = 'rejected';
        else if (open === 0 && inFlight.result === 'waiting') inFlight.result = 'acknowledged';
        // A word to a dead process teaches the next one nothing.
        if (offset !== undefined && life === this.#lives) this.#offset = Math.max(this.#offset, offset + append.length);
      });
    }
  }

  #nowMs(): number {
    return this.#world.clock.nowMs() + this.clockOffsetMs;
  }

  #scan(): void {
    const { files, profile } = this.#world;
    for (const file of files) {
      if (file.host !== this.host || file.isDeleted || file.length === 0) continue;
      const sources = [...this.#sources.values()].filter((source) => source.file === file);
      for (const source of sources) source.isOpen = true;
      const last = sources.reduce<Tracked | undefined>(
        (newest, source) => (newest === undefined || source.origin > newest.origin ? source : newest),
        undefined,
      );
      const hasGrown = profile.resumesFiles && last !== undefined && last.isClosed && file.length > last.position;
      if (last === undefined || hasGrown) this.#mint(file, last === undefined ? 0 : last.position);
    }
    // A file that nobody finds any more, and that was not open, is closed where it stands.
    for (const source of this.#sources.values()) {
      const isMissing = source.file.isDeleted || source.file.host !== this.host;
      if (isMissing && !source.isOpen && source.position === source.read) source.isClosed = true;
    }
    if (this.#unannounced.size > 0) this.#save();
  }

  #mint(file: SimulatedFile, origin: number): void {
    const { files, profile } = this.#world;
    // Two processes with one registry give a file the same number; two that do not are no zombies but clones, and refused aloud.
    const rank = files.filter((other) => other.host === this.host && other.index <= file.index).length;
    const number = profile.hasZombie ? rank : this.#nextNumber;
    this.#nextNumber = Math.max(this.#nextNumber, number + 1);
    const entry = {
      number,
      file: file.index,
      origin,
      position: origin,
      isClosed: false,
      quietSinceMs: this.#nowMs(),
      isRewound: false,
    };
    const source = this.#track(entry, file);
    source.isOpen = true;
    this.#unannounced.add(source);
    this.#world.note(`${this.name} finds file ${file.index} at ${origin}: source ${number}`);
  }

  #save(): void {
    const sources = new Map<number, SavedSource>();
    for (const source of this.#sources.values()) {
      const { number, file, origin, isClosed, quietSinceMs, isRewound } = source;
      const position = isMutant('agent.register_before_ack') ? source.read : source.position;
      file.acknowledged = Math.max(file.acknowledged, position);
      sources.set(number, { number, file: file.index, origin, position, isClosed, quietSinceMs, isRewound });
    }
    this.#registry.save({ nextNumber: this.#nextNumber, offset: this.#offset, sources });
  }

  #beat(isFull: boolean, isAnnouncing: boolean, hasEnded = false): void {
    const { random, profile, rawLog, overSources } = this.#world;
    const sources = [...this.#sources.values()].sort((left, right) => left.number - right.number);
    for (const source of sources) {
      // An agent forgets after days, when every reader has long heard in full beats that the source is over.
      const isOld = overSources.has(sourceId(this.id, source.number)) && random.chance(0.4);
      if (source.isClosed && source.file.isDeleted && isOld) source.isForgotten = true;
    }
    const told = sources
      .filter((source) => isFull || summaryOf(source) !== source.reported)
      .map((source) => ({ source, report: reportOf(this.id, source), summary: summaryOf(source) }));
    const numberMax = isFull ? { numberMax: this.#nextNumber - 1 } : {};
    const head = { agent: this.id, log: rawLog, tMs: this.#nowMs(), isFull, hasEnded, ...numberMax };
    const headers = encodeBeats(
      head,
      told.map(({ report }) => report),
      profile.beatSourcesMax,
    );
    if (isFull) this.#world.visit('full beat');
    this.#send(
      headers.map((header) => ({ kind: 'beat', header, value: NO_VALUE })),
      () => {
        for (const { source, summary } of told) {
          source.reported = summary;
          if (isAnnouncing) source.isAnnounced = true;
          this.#unannounced.delete(source);
          if (!source.isForgotten) continue;
          this.#sources.delete(source.number);
          this.#registry.forget(source.number);
          this.#world.visit('source forgotten');
        }
      },
    );
  }

  #close(): void {
    for (const source of this.#sources.values()) {
      const { file, position, isOpen, isClosed } = source;
      const isOver = file.isEnded || file.isDeleted;
      if (!isClosed && isOver && isOpen && source.read === position && position === this.#limit(source))
        source.isClosed = true;
    }
  }

  /** Where this source ends: the file's end, or where the next source of the file begins. */
  #limit({ number, file }: Tracked): number {
    const next = [...this.#sources.values()].filter((other) => other.file === file && other.number > number);
    return Math.min(file.length, ...next.map((other) => other.origin));
  }

  /** Sends a few blocks in one append. False if there was nothing to read. */
  #readBlocks(): boolean {
    const { random } = this.#world;
    const readable = [...this.#sources.values()].filter(
      (source) =>
        source.isAnnounced &&
        source.isOpen &&
        !source.isClosed &&
        !source.file.isUnreadable &&
        source.read < this.#limit(source),
    );
    const messages: OutgoingMessage[] = [];
    const ends = new Map<Tracked, number>();
    for (let i = 1 + random.below(3); i > 0 && readable.length > 0; i--) {
      const source = random.pick(readable);
      const message = readBlock(this.id, source, this.#limit(source), 1 + random.below(5), this.#nowMs());
      if (message === undefined) continue;
      messages.push(message);
      ends.set(source, source.read);
    }
    if (messages.length === 0) return false;
    const acknowledged = (): void => {
      for (const [source, end] of ends) {
        source.position = end;
        source.isRewound = false;
        if (!this.#world.profile.losesRaw) source.file.acknowledged = Math.max(source.file.acknowledged, end);
      }
    };
    this.#send(messages, acknowledged, this.#world.profile.isPipelined);
    return true;
  }
}
