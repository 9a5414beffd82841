import { type Beat, decodeBeat } from '../../src/record/beat.ts';
import { type BlockHeader, decodeBlockHeader } from '../../src/record/block.ts';
import { addLine, emptySum, type LineSum } from '../../src/record/line-id.ts';
import { agentOf, EMPTY_TAIL, numberOf, type SourceId } from '../../src/record/source.ts';
import type { Log, Message } from '../../src/broker/broker.ts';

/** What a reader of raw has of one source. */
export interface AcceptedSource {
  readonly source: SourceId;
  readonly partition: number;
  readonly origin: number;
  identity: string;
  position: number;
  tail: string | undefined;
  /** Bytes of the values that counted. */
  bytes: Buffer;
  readonly sum: LineSum;
  cut: number;
}

export interface RawContent {
  readonly sources: Map<SourceId, AcceptedSource>;
  readonly beats: (Beat & { readonly partition: number; readonly offset: number })[];
  readonly blocks: (BlockHeader & { readonly partition: number; readonly offset: number })[];
  /** Blocks that the rule refused, with the reason: a correct agent causes none. */
  readonly refused: string[];
}

/** Reads a whole raw topic by the block rule of design §4: plain and slow, an oracle that shares no code with the engine. */
export async function readRaw(log: Log, topic: string): Promise<RawContent> {
  const content: RawContent = { sources: new Map(), beats: [], blocks: [], refused: [] };
  for (const [partition, ends] of (await log.ends(topic)).entries()) {
    const numberMax = new Map<string, number>();
    for await (const batch of log.read(topic, partition, ends.start, { isFollowing: false })) {
      for (const message of batch) take(content, numberMax, partition, message);
    }
  }
  return content;
}

function take(content: RawContent, numberMax: Map<string, number>, partition: number, message: Message): void {
  if (message.kind === 'beat') {
    const beat = decodeBeat(message.header);
    content.beats.push({ ...beat, partition, offset: message.offset });
    const before = numberMax.get(beat.agent) ?? 0;
    for (const { number, identity, origin } of beat.sources) {
      if (number > before) open(content, numberMax, partition, `${beat.agent}/${number}`, identity, origin);
    }
  }
  if (message.kind !== 'block') return;
  const header = decodeBlockHeader(message.header);
  content.blocks.push({ ...header, partition, offset: message.offset });
  const agent = agentOf(header.source);
  if (!content.sources.has(header.source) && numberOf(header.source) > (numberMax.get(agent) ?? 0)) {
    open(content, numberMax, partition, header.source, header.identity, header.origin);
  }
  const accepted = content.sources.get(header.source);
  if (accepted === undefined) content.refused.push(`${header.source}: not announced`);
  else accept(content, accepted, header, message.value);
}

function open(
  content: RawContent,
  numberMax: Map<string, number>,
  partition: number,
  source: SourceId,
  identity: string,
  origin: number,
): void {
  const agent = agentOf(source);
  numberMax.set(agent, Math.max(numberMax.get(agent) ?? 0, numberOf(source)));
  const tail = origin === 0 ? EMPTY_TAIL : undefined;
  const empty = { bytes: Buffer.alloc(0), sum: emptySum(), cut: 0 };
  content.sources.set(source, { source, partition, origin, identity, position: origin, tail, ...empty });
}

function accept(content: RawContent, mark: AcceptedSource, header: BlockHeader, value: Uint8Array): void {
  if (header.identity !== mark.identity) return void content.refused.push(`${header.source}: other identity`);
  if (header.end <= mark.position) return;
  if (header.prev > mark.position)
    return void content.refused.push(`${header.source}: gap ${mark.position} … ${header.prev}`);
  if (header.start === mark.position && mark.tail !== undefined && header.tail !== mark.tail) {
    return void content.refused.push(`${header.source}: other tail at ${header.start}`);
  }
  let lines = 0;
  const counted: Uint8Array[] = [mark.bytes];
  for (let at = 0; at < value.length; lines++) {
    const newline = value.indexOf(10, at);
    const next = newline < 0 ? value.length : newline + 1;
    const offset = header.offsets?.[lines] ?? header.start + at;
    if (offset >= mark.position) {
      counted.push(value.subarray(at, next));
      addLine(mark.sum, mark.source, offset);
      if (header.cut?.includes(lines) === true) mark.cut += 1;
    }
    at = next;
  }
  mark.bytes = Buffer.concat(counted);
  if (lines !== header.lines) content.refused.push(`${header.source}: has ${lines} lines, says ${header.lines}`);
  mark.position = header.end;
  mark.tail = header.endTail;
}
