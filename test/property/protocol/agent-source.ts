import type { OutgoingMessage } from '../../../src/broker/broker.ts';
import type { SourceReport } from '../../../src/record/beat.ts';
import { encodeBlockHeader } from '../../../src/record/block.ts';
import { addLine, emptySum } from '../../../src/record/line-id.ts';
import { sourceId } from '../../../src/record/source.ts';
import type { SimulatedFile } from './files.ts';

/** A source in one process of an agent. */
export interface Tracked {
  readonly number: number;
  readonly file: SimulatedFile;
  readonly origin: number;
  /** Acknowledged up to here. */
  position: number;
  /** Read up to here. */
  read: number;
  isClosed: boolean;
  isForgotten: boolean;
  isRewound: boolean;
  isAnnounced: boolean;
  /** Found on disk by this process: its file stays readable after it was deleted. */
  isOpen: boolean;
  quietSinceMs: number;
  reported: string;
}

/** What a beat says of it. */
export function reportOf(agent: string, source: Tracked): SourceReport {
  const { number, file, origin, position, isClosed, quietSinceMs } = source;
  const sum = emptySum();
  if (isClosed) for (const line of file.linesIn(origin, position)) addLine(sum, sourceId(agent, number), line.offset);
  const report: SourceReport = {
    number,
    identity: file.identity(origin),
    origin,
    position,
    tail: file.tail(position),
    state: stateOf(source),
    quietSinceMs,
    path: `/log/${file.index}`,
    input: 'web',
    kind: 'file',
  };
  return isClosed ? { ...report, sum } : report;
}

function stateOf({ file, origin, position, read, isOpen, isClosed, isForgotten }: Tracked): SourceReport['state'] {
  if (isForgotten) return 'forgotten';
  if (isClosed) return 'closed';
  if (file.isUnreadable) return 'unreadable';
  if (isOpen && position === read && position === file.length) return 'caught_up';
  return position === origin ? 'announced' : 'reading';
}

/** What must have changed for a beat to speak of it again. */
export function summaryOf(source: Tracked): string {
  return `${stateOf(source)} ${source.position}`;
}

/** Reads up to `linesMax` lines below `limit` as a block; undefined if there is none. */
export function readBlock(
  agent: string,
  source: Tracked,
  limit: number,
  linesMax: number,
  nowMs: number,
): OutgoingMessage | undefined {
  const { number, file, origin, read } = source;
  const lines = file.linesIn(read, limit).slice(0, linesMax);
  const end = lines.at(-1)?.end;
  if (end === undefined) return undefined;
  source.read = end;
  source.quietSinceMs = nowMs;
  const header = encodeBlockHeader({
    source: sourceId(agent, number),
    identity: file.identity(origin),
    origin,
    prev: read,
    start: read,
    end,
    tail: file.tail(read),
    endTail: file.tail(end),
    lines: lines.length,
    readAtMs: nowMs,
  });
  return { kind: 'block', header, value: file.bytes(read, end) };
}
