import { isMutant } from '../lib/mutant.ts';
import type { SourceReport } from '../record/beat.ts';
import { emptySum, type LineSum } from '../record/line-id.ts';
import { type SourceId, sourceId } from '../record/source.ts';
import type { LinesRead } from './block-reader.ts';
import type { CloseReason } from './events.ts';
import type { RegistryEntry } from './registry.ts';

/** Where reading stands: it goes ahead of what is acknowledged. */
export interface ReadPoint {
  readonly position: number;
  readonly tail: string;
  readonly sum: LineSum | undefined;
}

/**
 * One source of the agent for as long as the registry knows it: what is acknowledged (all that the registry and beats may
 * say), and where it stands on its way from its announcement to its end. What it is made of, a file or a partition of a topic, is the
 * business of its kind.
 */
export abstract class TrackedSource {
  readonly id: SourceId;
  readonly number: number;
  readonly topic: string;
  readonly identity: string;
  readonly origin: number;
  /** Reading ends here: of a closed source that was rewound, what follows belongs to another. */
  readonly until: number;
  readonly kind: string;
  /** The entry of `sources` that reads it now: another may take it over when the configuration changes. */
  input: string;
  lineBytesMax: number;
  path: string;

  position: number;
  tail: string;
  sum: LineSum | undefined;
  closedBy: CloseReason | undefined;
  closedAtMs: number | undefined;
  possibleLossBytes: number;
  possibleDoubleBytes: number;
  quietSinceMs: number;
  isRewound: boolean;

  /** When its content last changed, as its kind tells time: the backlog is read oldest first. */
  modifiedMs = 0;
  isUnreadable = false;
  /** It was opened in this process and has the content the position speaks of. */
  isVerified = false;
  /** A beat has told every partition of it: lines may follow. */
  isAnnounced = false;
  /** It has been read to its end once in this process: from then on it is live and goes before the backlog. */
  isLive = false;
  /** Set when no more will be read than what is there now. */
  ending: CloseReason | undefined;
  wasCutReported = false;
  wasHoleReported = false;
  /** Not read yet: whether its content is another source's is still to be found out. Announced, it holds the clock. */
  isHeld = false;
  /** It will be dropped as soon as a beat has said so. */
  isForgotten = false;
  protected counted: RegistryEntry['counted'];
  #reported = '';

  constructor(agent: string, entry: RegistryEntry, lineBytesMax: number) {
    this.id = sourceId(agent, entry.number);
    this.number = entry.number;
    this.topic = entry.topic;
    this.identity = entry.identity;
    this.origin = entry.origin;
    this.until = entry.until ?? Infinity;
    this.kind = entry.kind;
    this.input = entry.input;
    this.lineBytesMax = lineBytesMax;
    this.path = entry.path;
    this.position = entry.position;
    this.tail = entry.tail;
    this.counted = entry.counted;
    this.sum = entry.counted?.upTo === entry.position ? { ...entry.counted.sum } : undefined;
    this.closedBy = entry.closedBy;
    this.closedAtMs = entry.closedAtMs;
    this.possibleLossBytes = entry.possibleLossBytes;
    this.possibleDoubleBytes = entry.possibleDoubleBytes;
    this.quietSinceMs = entry.quietSinceMs;
    this.isRewound = entry.isRewound ?? false;
  }

  abstract get ahead(): ReadPoint;

  /** More is known to be there than was read. */
  abstract get hasMore(): boolean;

  /** Bytes known to be there and not acknowledged, for the progress line. */
  abstract get pendingBytes(): number;

  /** Holds something of which a process can have only so many. */
  get isOpen(): boolean {
    return false;
  }

  /** Open without need: it may be detached until there is more to read. */
  get isAtRest(): boolean {
    return false;
  }

  /** Gives back what it holds open. */
  abstract detach(): void;

  /** Everything that will ever be read is acknowledged. */
  get isFinished(): boolean {
    return (
      this.ending !== undefined && this.closedBy === undefined && !this.hasMore && this.position === this.ahead.position
    );
  }

  /** The idle clock stands still while lines wait for the log: a source is not quiet that was only not let through (FLINK-35886). */
  acknowledge(lines: LinesRead, nowMs: number): void {
    this.quietSinceMs = Math.max(this.quietSinceMs, nowMs);
    this.position = lines.end;
    this.tail = lines.tail;
    this.sum = lines.sum;
    this.isRewound = false;
  }

  close(nowMs: number): void {
    this.closedBy = this.ending;
    this.closedAtMs = nowMs;
    this.detach();
  }

  report(): SourceReport {
    return {
      number: this.number,
      identity: this.identity,
      origin: this.origin,
      position: this.position,
      tail: this.tail,
      state: this.#state(),
      quietSinceMs: this.quietSinceMs,
      path: this.path,
      input: this.input,
      kind: this.kind,
      ...(this.closedBy !== undefined && this.sum !== undefined ? { sum: this.sum } : {}),
      ...(this.possibleLossBytes > 0 ? { possibleLossBytes: this.possibleLossBytes } : {}),
      ...(this.possibleDoubleBytes > 0 ? { possibleDoubleBytes: this.possibleDoubleBytes } : {}),
    };
  }

  /** A beat has said that the agent forgets it. */
  get isForgottenInLog(): boolean {
    return this.#reported.startsWith('forgotten ');
  }

  /** The report if it says anything that the last one did not. */
  changedReport(): SourceReport | undefined {
    const summary = `${this.#state()} ${this.position} ${this.possibleDoubleBytes} ${this.path}`;
    if (summary === this.#reported) return undefined;
    this.#reported = summary;
    return this.report();
  }

  entry(): RegistryEntry {
    // The mutant registers what was read as if it were acknowledged.
    const from = isMutant('agent.register_before_ack') ? this.ahead : this;
    const counted = from.sum === undefined ? this.counted : { upTo: from.position, sum: { ...from.sum } };
    return {
      number: this.number,
      topic: this.topic,
      input: this.input,
      kind: this.kind,
      identity: this.identity,
      origin: this.origin,
      position: from.position,
      tail: from.tail,
      path: this.path,
      quietSinceMs: this.quietSinceMs,
      possibleLossBytes: this.possibleLossBytes,
      possibleDoubleBytes: this.possibleDoubleBytes,
      ...(counted === undefined ? {} : { counted }),
      ...(this.closedBy === undefined ? {} : { closedBy: this.closedBy }),
      ...(this.closedAtMs === undefined ? {} : { closedAtMs: this.closedAtMs }),
      ...(this.until === Infinity ? {} : { until: this.until }),
      ...(this.isRewound ? { isRewound: true } : {}),
    };
  }

  #state(): SourceReport['state'] {
    if (this.isForgotten) return 'forgotten';
    if (this.closedBy !== undefined) return 'closed';
    if (this.isUnreadable) return 'unreadable';
    const isAtEnd = !this.hasMore && this.position === this.ahead.position;
    const isCaughtUp = isAtEnd && this.ending === undefined && !this.isHeld;
    if (isCaughtUp && this.isVerified) return 'caught_up';
    return this.position === this.origin ? 'announced' : 'reading';
  }
}

/** A source that was never seen before; it still needs a number. */
export function newEntry(
  fields: Pick<
    RegistryEntry,
    'topic' | 'input' | 'kind' | 'identity' | 'origin' | 'tail' | 'path' | 'file' | 'headBytes' | 'isHeadPartial'
  >,
  nowMs: number,
): Omit<RegistryEntry, 'number'> {
  return {
    ...fields,
    position: fields.origin,
    counted: { upTo: fields.origin, sum: emptySum() },
    quietSinceMs: nowMs,
    possibleLossBytes: 0,
    possibleDoubleBytes: 0,
  };
}
