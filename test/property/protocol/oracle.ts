import type { Message } from '../../../src/broker/broker.ts';
import type { Pipeline } from '../../../src/epoch/pipeline.ts';
import type { TumblingSpec } from '../../../src/operators/tumbling-window.ts';
import { decodeBeat, type Beat, type SourceReport } from '../../../src/record/beat.ts';
import { type BlockHeader, decodeBlockHeader } from '../../../src/record/block.ts';
import { decodeControl } from '../../../src/record/control.ts';
import { addLine, emptySum, type LineSum } from '../../../src/record/line-id.ts';

export interface ExpectedRow {
  readonly rollup: string;
  readonly windowStartMs: number;
  readonly key: string;
  readonly sum: LineSum;
  total: number;
  values: number;
}

interface OracleSource {
  readonly id: string;
  readonly agent: string;
  readonly identity: string;
  origin: number;
  position: number;
  tail: string;
  state: string;
  maxMs: number;
  /** Event times of lines in a row that are too far ahead to be believed at once. */
  leap: number[];
  quietSinceMs: number;
  gapEnd: number;
  isOver: boolean;
}

interface OracleAgent {
  forgottenMax: number;
  tMs: number;
  seenLogMs: number;
  hasEnded: boolean;
}

/**
 * What must come out, straight from the rules of docs/DESIGN.md and in one pass over the raw log: no operators, no epochs, no
 * restarts, one line after the other. It shares the formats with the product and none of its decisions.
 */
export class Oracle {
  readonly rows = new Map<string, ExpectedRow>();
  /** `rollup source offset` of late lines. */
  readonly late = new Map<string, number>();
  /** `source offset` → reason. */
  readonly deadLetters = new Map<string, string>();
  /** Every line that counted: identity → offsets. */
  readonly accepted = new Map<string, number[]>();
  readonly refusals: Record<string, number> = {};
  readonly linesIn = new Map<string, LineSum>();
  watermarkMs = -Infinity;
  readonly #pipeline: Pipeline;
  readonly #isTrimmed: boolean;
  /** Agents whose full beat has come. */
  readonly #known = new Set<string>();
  readonly #sources = new Map<string, OracleSource>();
  readonly #agents = new Map<string, OracleAgent>();
  readonly #time: Pipeline['streams'][string]['eventTime'];
  /** Ends of windows that have lines. */
  readonly #timers = new Map<string, number>();
  #logMs = 0;
  #appendedAtMs = 0;

  /** With `isTrimmed` the log has lost its begin: an agent's marks come from its first full beat, and what lies before says nothing. */
  constructor(pipeline: Pipeline, isTrimmed = false) {
    this.#pipeline = pipeline;
    this.#isTrimmed = isTrimmed;
    this.#time = Object.values(pipeline.streams)[0]!.eventTime;
  }

  feed(message: Message): void {
    if (this.#appendedAtMs > 0) this.#logMs += Math.min(10_000, message.appendedAtMs - this.#appendedAtMs);
    this.#appendedAtMs = message.appendedAtMs;
    if (message.damaged !== undefined) this.#refuse('damaged');
    else if (message.kind === 'block') this.#block(decodeBlockHeader(message.header), message.value);
    else if (message.kind === 'beat') this.#beat(decodeBeat(message.header));
    else if (message.kind === 'control') {
      const { source, from, to, tail } = decodeControl(message.header);
      const known = this.#sources.get(source);
      if (known?.position !== from) return;
      Object.assign(known, { position: to, tail });
      this.#fill(known);
      this.#tick();
    }
  }

  #refuse(reason: string): void {
    this.refusals[reason] = (this.refusals[reason] ?? 0) + 1;
  }

  #agent(id: string): OracleAgent {
    let agent = this.#agents.get(id);
    if (agent === undefined)
      this.#agents.set(id, (agent = { forgottenMax: 0, tMs: 0, seenLogMs: -Infinity, hasEnded: false }));
    return agent;
  }

  #open(agent: string, number: number, identity: string, origin: number): OracleSource {
    const id = `${agent}/${number}`;
    const tail = origin === 0 ? 'e3b0c44298fc1c14' : '';
    const source = {
      id,
      agent,
      identity,
      origin,
      position: origin,
      tail,
      state: 'announced',
      maxMs: -Infinity,
      leap: [],
      quietSinceMs: 0,
      gapEnd: 0,
      isOver: false,
    };
    this.#sources.set(id, source);
    return source;
  }

  #block(header: BlockHeader, value: Uint8Array): void {
    const [agent, number] = header.source.split('/') as [string, string];
    if (this.#isTrimmed && !this.#known.has(agent)) return;
    let source = this.#sources.get(header.source);
    if (source === undefined) {
      if (this.#agents.get(agent) === undefined) this.#agent(agent).seenLogMs = 0;
      if (Number(number) <= this.#agent(agent).forgottenMax) return this.#refuse('forgotten_source');
      source = this.#open(agent, Number(number), header.identity, header.origin);
    }
    if (source.identity !== header.identity) return this.#refuse('wrong_identity');
    if (header.end <= source.position) return;
    if (header.prev > source.position) {
      this.#gap(source, header.prev);
      return this.#refuse('gap');
    }
    if (header.start === source.position && source.tail !== '' && header.tail !== source.tail)
      return this.#refuse('wrong_tail');
    const text = Buffer.from(value).toString('utf8');
    let offset = header.start;
    for (const line of text.split('\n').slice(0, -1)) {
      if (offset >= source.position) this.#line(source, offset, line, header.readAtMs);
      offset += Buffer.byteLength(line) + 1;
    }
    Object.assign(source, {
      position: header.end,
      tail: header.endTail,
      quietSinceMs: Math.max(source.quietSinceMs, header.readAtMs),
    });
    if (source.gapEnd === 0) source.state = 'reading';
    else this.#fill(source);
  }

  #gap(source: OracleSource, end: number): void {
    source.state = 'gap';
    source.gapEnd = Math.max(source.gapEnd, end);
  }

  #fill(source: OracleSource): void {
    if (source.gapEnd === 0 || source.position < source.gapEnd) return;
    const state = source.isOver && source.position === source.gapEnd ? 'closed' : 'reading';
    Object.assign(source, { gapEnd: 0, state, isOver: false });
  }

  #line(source: OracleSource, offset: number, line: string, readAtMs: number): void {
    this.accepted.set(source.identity, [...(this.accepted.get(source.identity) ?? []), offset]);
    let sum = this.linesIn.get(source.agent);
    if (sum === undefined) this.linesIn.set(source.agent, (sum = emptySum()));
    addLine(sum, source.id, offset);
    const [time, key, value, ...rest] = line.split(' ');
    const timeMs = Number(time);
    const id = `${source.id} ${offset}`;
    if (value === undefined || rest.length > 0) return void this.deadLetters.set(id, 'malformed');
    if (Number.isNaN(timeMs)) return void this.deadLetters.set(id, 'no_event_time');
    if (timeMs > readAtMs + this.#time.maxFutureMs) return void this.deadLetters.set(id, 'future');
    const others = [...this.#sources.values()].filter((other) => other !== source).map((other) => this.#holdsAt(other));
    const bound = this.#time.outOfOrdernessMs;
    const at = (ms: number): number => Math.min(ms, ...others) - bound - 1;
    const seenMs = Math.min(timeMs, readAtMs);
    const clockMs = Math.max(source.maxMs, this.watermarkMs + bound + 1);
    const isAhead = clockMs > -Infinity && timeMs > clockMs + Math.max(bound, 60_000);
    const judgeMs = isAhead ? Math.max(this.watermarkMs, at(Math.max(...source.leap))) : this.watermarkMs;
    for (const [rollup, { by, window, allowedLatenessMs }] of Object.entries(this.#pipeline.rollups)) {
      const { sizeMs, offsetMs } = window as TumblingSpec;
      const start = Math.floor((timeMs - offsetMs) / sizeMs) * sizeMs + offsetMs;
      const closesMs = start + sizeMs - 1 + allowedLatenessMs;
      if (closesMs <= judgeMs) this.late.set(`${rollup} ${id}`, start);
      else
        this.#add(
          { rollup, windowStartMs: start, key: by.length > 0 ? key! : '' },
          source.id,
          offset,
          Number(value),
          closesMs,
        );
    }
    source.leap = isAhead ? [...source.leap, seenMs] : [];
    if (isAhead && source.leap.length < 8) return;
    const believedMs = isAhead ? Math.max(...source.leap) : seenMs;
    source.leap = [];
    if (believedMs <= source.maxMs) return;
    source.maxMs = believedMs;
    this.#advance(at(believedMs));
  }

  #add(
    at: Pick<ExpectedRow, 'rollup' | 'windowStartMs' | 'key'>,
    source: string,
    offset: number,
    value: number,
    closesMs: number,
  ): void {
    const id = `${at.rollup} ${at.windowStartMs} ${at.key}`;
    let row = this.rows.get(id);
    if (row === undefined) this.rows.set(id, (row = { ...at, sum: emptySum(), total: 0, values: 0 }));
    addLine(row.sum, source, offset);
    row.total += value;
    row.values += 1;
    this.#timers.set(id, closesMs);
  }

  #beat(beat: Beat): void {
    const isFirst = this.#isTrimmed && !this.#known.has(beat.agent);
    if (isFirst && !beat.isFull) return;
    const agent = this.#agents.get(beat.agent) ?? Object.assign(this.#agent(beat.agent), { seenLogMs: this.#logMs });
    const forgottenBefore = agent.forgottenMax;
    for (const report of beat.sources) {
      let source = this.#sources.get(`${beat.agent}/${report.number}`);
      if (source === undefined && report.number > forgottenBefore) {
        source = this.#open(beat.agent, report.number, report.identity, report.origin);
        source.quietSinceMs = report.quietSinceMs;
        const { position, tail } = report;
        if (isFirst) Object.assign(source, { origin: position, position, tail });
      }
      if (source !== undefined && source.identity === report.identity) this.#report(source, report, agent);
    }
    if ((beat.part ?? 0) + 1 < (beat.parts ?? 1)) return;
    if (isFirst) agent.forgottenMax = beat.numberMax ?? 0;
    if (beat.isFull) this.#known.add(beat.agent);
    Object.assign(agent, { seenLogMs: this.#logMs, hasEnded: beat.hasEnded, tMs: beat.tMs });
    this.#tick();
  }

  /** Looks at everything that holds the clock. */
  #tick(): void {
    const least = Math.min(...[...this.#sources.values()].map((source) => this.#holdsAt(source)));
    if (least < Infinity) return this.#advance(least - this.#time.outOfOrdernessMs - 1);
    const alive = [...this.#agents.values()].filter((other) => !this.#isLost(other));
    if (alive.length === 0) return;
    const agentsMs = Math.min(...alive.filter((other) => !other.hasEnded).map((other) => other.tMs));
    this.#advance(Math.min(agentsMs - this.#time.outOfOrdernessMs - 1, Math.max(-Infinity, ...this.#timers.values())));
  }

  #report(source: OracleSource, report: SourceReport, agent: OracleAgent): void {
    if (report.position > source.position) {
      source.isOver = report.state === 'closed' || report.state === 'forgotten';
      return this.#gap(source, report.position);
    }
    if (report.position < source.position && report.state === 'closed' && source.gapEnd === 0) source.state = 'closed';
    if (report.position < source.position && report.state !== 'forgotten') return;
    if (report.state === 'forgotten') {
      agent.forgottenMax = Math.max(agent.forgottenMax, report.number);
      return void this.#sources.delete(source.id);
    }
    if (source.gapEnd === 0) source.state = report.state;
    if (source.tail === '') source.tail = report.tail;
    source.quietSinceMs = report.quietSinceMs;
  }

  #isLost(agent: OracleAgent): boolean {
    return this.#logMs - agent.seenLogMs > this.#time.agentLostTimeoutMs;
  }

  /** Infinity for a source that does not hold the clock. */
  #holdsAt(source: OracleSource): number {
    const agent = this.#agent(source.agent);
    if (source.state === 'closed' || this.#isLost(agent)) return Infinity;
    const isQuiet = agent.tMs - source.quietSinceMs >= this.#time.idleTimeoutMs;
    if (source.state === 'caught_up' && isQuiet) return Infinity;
    if (source.maxMs > -Infinity) return source.maxMs;
    const hasOnlyDeadLetters =
      source.position > source.origin &&
      source.leap.length === 0 &&
      source.state !== 'gap' &&
      source.state !== 'unreadable';
    return hasOnlyDeadLetters ? Infinity : -Infinity;
  }

  #advance(toMs: number): void {
    if (!(toMs > this.watermarkMs)) return;
    this.watermarkMs = toMs;
    for (const [id, closesMs] of this.#timers) if (closesMs <= toMs) this.#timers.delete(id);
  }
}
