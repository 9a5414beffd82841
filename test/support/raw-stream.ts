// Hand-made raw messages: files of the plain codec, their blocks, and an agent's beats, for tests of what an engine makes of them.
import type { Message, OutgoingMessage } from '../../src/broker/broker.ts';
import { COMPONENTS } from '../../src/components.ts';
import { tablesOf } from '../../src/config/tables.ts';
import { buildState } from '../../src/engine/build-state.ts';
import type { TaskState } from '../../src/engine/state.ts';
import type { EventTimeSpec, Pipeline, RollupSpec } from '../../src/epoch/pipeline.ts';
import { type Beat, type SourceReport, encodeBeat } from '../../src/record/beat.ts';
import { type BlockHeader, encodeBlockHeader } from '../../src/record/block.ts';
import { encodeControl, encodeGenesis } from '../../src/record/control.ts';
import { type SourceId, agentOf, numberOf, tailHash } from '../../src/record/source.ts';
import { plain } from './plain-codec.ts';

export const RAW_LOG = 'f'.repeat(32);
export const TASK = { pipeline: 'web', stream: 'access', partition: 0 };
export const CODECS = { plain };

/** A rollup of the plain codec: lines and sum by key and minute. */
export const BY_KEY: RollupSpec = {
  from: 'access',
  by: [{ field: 'key', type: 'keyword', column: 'key' }],
  window: { type: 'tumbling', sizeMs: 60_000, offsetMs: 0 },
  allowedLatenessMs: 0,
  rowsMax: 1_000_000,
  measures: [
    { name: 'lines', aggregate: 'count' },
    { name: 'total', aggregate: 'sum', field: 'value', fieldType: 'long' },
  ],
};

export function plainPipeline(
  rollups: Pipeline['rollups'] = { traffic: BY_KEY },
  eventTime: Partial<EventTimeSpec> = {},
): Pipeline {
  const time = {
    field: 'time',
    outOfOrdernessMs: 0,
    idleTimeoutMs: 30_000,
    maxFutureMs: 3_600_000,
    agentLostTimeoutMs: 3_600_000,
    ...eventTime,
  };
  return {
    version: 1,
    name: 'web',
    streams: { access: { partitions: 1, codec: { type: 'plain' }, eventTime: time } },
    rollups,
    tables: tablesOf(rollups, COMPONENTS),
  };
}

export function plainState(pipeline = plainPipeline()): TaskState {
  return buildState({
    task: TASK,
    pipeline,
    rawLog: RAW_LOG,
    rollupSinceMs: {},
    codecs: CODECS,
    aggregates: COMPONENTS.aggregates,
    operators: COMPONENTS.operators,
  });
}

/** One file as an agent sees it. */
export class TestFile {
  readonly source: SourceId;
  readonly identity: string;
  readonly origin: number;
  content: Buffer;
  /** The agent's clock when it reads. */
  readAtMs = 1_000_000;

  /** The bytes below `origin` are there and not this source's. */
  constructor(source: SourceId, lines: readonly string[], origin = 0) {
    this.source = source;
    this.identity = `file of ${source}`;
    this.origin = origin;
    this.content = Buffer.from(`${'#'.repeat(origin)}${lines.map((line) => `${line}\n`).join('')}`);
  }

  get end(): number {
    return this.content.length;
  }

  /** Byte offset of a line, or of the end behind the last one. */
  at(line: number): number {
    let at = this.origin;
    for (let i = 0; i < line; i++) at = this.content.indexOf(10, at) + 1;
    return at;
  }

  tail(position: number): string {
    return tailHash(this.content.subarray(0, position));
  }

  /** The block of [start, end). */
  block(start = this.origin, end = this.end, header: Partial<BlockHeader> = {}): OutgoingMessage {
    const value = this.content.subarray(start, end);
    let lines = Number(value.length > 0 && value.at(-1) !== 10);
    for (let at = value.indexOf(10); at >= 0; at = value.indexOf(10, at + 1)) lines++;
    const plainHeader: BlockHeader = {
      source: this.source,
      identity: this.identity,
      origin: this.origin,
      prev: start,
      start,
      end,
      tail: this.tail(start),
      endTail: this.tail(end),
      lines,
      readAtMs: this.readAtMs,
    };
    return { kind: 'block', header: encodeBlockHeader({ ...plainHeader, ...header }), value };
  }

  /** What a beat says of it; without a position, that it was announced. */
  report(state: SourceReport['state'], position = this.origin, more: Partial<SourceReport> = {}): SourceReport {
    return {
      number: numberOf(this.source),
      identity: this.identity,
      origin: this.origin,
      position,
      tail: this.tail(position),
      state,
      quietSinceMs: this.readAtMs,
      path: `/logs/${this.source}`,
      input: 'web',
      kind: 'file',
      ...more,
    };
  }
}

export function beatMessage(tMs: number, sources: readonly SourceReport[], more: Partial<Beat> = {}): OutgoingMessage {
  const beat = { agent: 'a', log: RAW_LOG, tMs, isFull: false, hasEnded: false, sources, ...more };
  return { kind: 'beat', header: encodeBeat(beat), value: new Uint8Array(0) };
}

export function lossMessage(file: TestFile, from: number, to: number): OutgoingMessage {
  const header = encodeControl({ type: 'declared_loss', source: file.source, from, to, tail: file.tail(to) });
  return { kind: 'control', header, value: new Uint8Array(0) };
}

export const GENESIS: OutgoingMessage = {
  kind: 'genesis',
  header: encodeGenesis({ log: RAW_LOG }),
  value: new Uint8Array(0),
};

/** Feeds a state message by message, as a log that takes one each 10 ms. */
export class Feed {
  readonly state: TaskState;
  appendedAtMs = 1_000;
  readonly messages: Message[] = [];

  constructor(state = plainState()) {
    this.state = state;
  }

  send(...messages: readonly OutgoingMessage[]): this {
    for (const message of messages) {
      this.appendedAtMs += 10;
      const taken = { ...message, offset: this.state.to, appendedAtMs: this.appendedAtMs };
      this.messages.push(taken);
      this.state.accept(taken);
    }
    return this;
  }

  /** A beat of the files' common agent. */
  beat(tMs: number, sources: readonly SourceReport[] = [], more: Partial<Beat> = {}): this {
    return this.send(beatMessage(tMs, sources, more));
  }

  /** Beats of every agent named, so often that log time moves on by `ms`. */
  letLogTimePass(ms: number, agents: readonly string[] = []): this {
    for (let passed = 0; passed < ms; passed += 10_000) {
      this.appendedAtMs += 10_000;
      this.send(...agents.map((agent) => beatMessage(0, [], { agent })), { ...GENESIS });
    }
    return this;
  }
}

/** The agent whose source it is, with only that one. */
export function agentNameOf(file: TestFile): string {
  return agentOf(file.source);
}
