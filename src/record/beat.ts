import { ByteReader, ByteWriter } from '../lib/bytes.ts';
import { checkShape, decodeHead, encodeHead } from './head.ts';
import type { LineSum } from './line-id.ts';

const MAGIC = 0x48; // 'H', a heartbeat
const VERSION = 1;
const SHAPE = { agent: 'text', log: 'text', tMs: 'number', isFull: 'flag', hasEnded: 'flag', sources: 'list' } as const;
const REPORT_SHAPE = {
  number: 'count',
  identity: 'text',
  origin: 'count',
  position: 'count',
  tail: 'text',
  state: 'text',
  quietSinceMs: 'number',
  path: 'text',
  input: 'text',
  kind: 'text',
} as const;

/** What an agent says of one of its sources. It holds for a reader only if `position` is the reader's own mark. */
export interface SourceReport {
  readonly number: number;
  readonly identity: string;
  readonly origin: number;
  /** End of the last acknowledged block. */
  readonly position: number;
  /** Hash of the 64 bytes below `position`. */
  readonly tail: string;
  /**
   * `announced`: seen, nothing sent yet. `reading`: there is more to read. `caught_up`: read to its end.
   * `closed`: no more will ever come. `unreadable`: it cannot be read now, so its silence says nothing.
   * `forgotten`: closed long ago; the agent has dropped it from its registry.
   */
  readonly state: 'announced' | 'reading' | 'caught_up' | 'closed' | 'unreadable' | 'forgotten';
  /** The agent's clock when it last read a line of it, or first saw it: the quiet time of a source is the beat's `tMs` minus this. */
  readonly quietSinceMs: number;
  /** For people and for `audit`: where the source was last found. */
  readonly path: string;
  /** The entry of `sources` that reads it, and that entry's type. */
  readonly input: string;
  /** The type of its entry. */
  readonly kind: string;
  /** In `closed`: the agent's own count and line-id hash sum of [origin, position). */
  readonly sum?: LineSum;
  /** Bytes the agent knows may be missing (a truncation it saw too late). */
  readonly possibleLossBytes?: number;
  /** Bytes that may have been read before, as another source: it could not be told. */
  readonly possibleDoubleBytes?: number;
}

/** A control message of an agent in one partition, in order with its blocks, sent when all of them are acknowledged. The value is empty. */
export interface Beat {
  readonly agent: string;
  /** The id of the raw log (its genesis). */
  readonly log: string;
  /** The agent's clock before it scanned and read what this beat speaks of, milliseconds. */
  readonly tMs: number;
  /** A full beat lists every source not forgotten; another lists those that changed. */
  readonly isFull: boolean;
  /** All sources are closed and nothing will follow: from here time may run to the last timer. The end of a run alone is a pause. */
  readonly hasEnded: boolean;
  readonly sources: readonly SourceReport[];
  /**
   * In full beats: the highest source number the agent has ever given. The source that had it may be forgotten and in no list; who
   * rebuilds a registry must not give it again.
   */
  readonly numberMax?: number;
  /** A beat of very many sources comes in several messages of one append: this one is `part` of `parts`, counted from 0. */
  readonly part?: number;
  readonly parts?: number;
}

/** Whether all of the beat is there with this message: only then it says something about time. */
export function isLastPart({ part = 0, parts = 1 }: Beat): boolean {
  return part === parts - 1;
}

export function encodeBeat(beat: Beat): Uint8Array {
  const out = new ByteWriter();
  encodeHead(out, MAGIC, VERSION, beat);
  return out.view().slice();
}

/** Throws an OperatingError for a newer version, a RangeError or SyntaxError for damaged bytes. */
export function decodeBeat(bytes: Uint8Array): Beat {
  const head = decodeHead(new ByteReader(bytes), MAGIC, VERSION, 'beat');
  checkShape(head, SHAPE, 'beat');
  for (const report of head['sources'] as readonly unknown[]) {
    if (typeof report !== 'object' || report === null) throw new RangeError('beat: a source without a report');
    checkShape(report as Record<string, unknown>, REPORT_SHAPE, 'beat');
  }
  return head as unknown as Beat;
}
