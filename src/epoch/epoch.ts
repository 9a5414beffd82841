import type { LineSum } from '../record/line-id.ts';
import type { SourceId } from '../record/source.ts';
import type { Pipeline, TaskId } from './pipeline.ts';
import type { OperatorState, RowSet } from './table.ts';

/**
 * What every reader of an epoch partition needs to judge a record: it stands in the message's header, so that a chain can be
 * followed without a body. The body is the value, or the values of `parts − 1` part messages and the epoch message's own.
 */
export interface EpochEnvelope {
  /** 128 random bits as 32 hex digits. */
  readonly id: string;
  /** Id of the last epoch its writer's state contains; for the first, the epoch log's id. */
  readonly prev: string;
  readonly task: TaskId;
  /** 1 for the first that counts, then rising by 1. */
  readonly n: number;
  /** Raw offsets: this epoch decided on [from, to). */
  readonly from: number;
  readonly to: number;
  /** Id of the raw log those offsets belong to. */
  readonly rawLog: string;
  /** Hash of the header of raw message `to` − 1, to recognise another log under the same offsets; '' before the first. */
  readonly rawId: string;
  /** Holds the whole state: everything counts as changed. */
  readonly isSnapshot: boolean;
  /** Grows by 1 when a snapshot switches to a changed pipeline. */
  readonly generation: number;
  /** Rollup → lines that went into rows of other keys, since the pipeline began: in the envelope, where a look at headers finds it. */
  readonly otherLines: Readonly<Record<string, number>>;
  /** What agents say may be lost or doubled of the sources that are known: bytes of files, records of topics. */
  readonly possibleLossBytes: number;
  readonly possibleDoubleBytes: number;
  /** Which part this message carries, from 0; the last, `parts` − 1, is the epoch message that counts. */
  readonly part: number;
  readonly parts: number;
}

/** What a task knows of a source. In an epoch: of those that changed; in a snapshot: of all. */
export interface SourceMark {
  readonly source: SourceId;
  readonly identity: string;
  readonly path: string;
  readonly origin: number;
  /** High-water mark: everything below is decided. */
  readonly position: number;
  /** Hash of the 64 bytes below `position`. */
  readonly tail: string;
  /** `gap`: bytes between `position` and `gapEnd` are missing; the source is stopped and holds the watermark. */
  readonly state: 'announced' | 'reading' | 'caught_up' | 'closed' | 'unreadable' | 'gap' | 'forgotten';
  /** Largest event time believed, or null before the first. */
  readonly eventTimeMsMax: number | null;
  /** Its last lines are further ahead than one line is believed: how many, and the largest event time of them (engine/admission.ts). */
  readonly leap?: { readonly lines: number; readonly maxMs: number };
  readonly quietSinceMs: number;
  readonly gapEnd: number | null;
  /** With a gap: the agent has said that nothing comes after `gapEnd`, and may never speak of the source again. */
  readonly isOver?: boolean;
  /** The agent's own count and sum of a closed source. */
  readonly agentSum: LineSum | null;
  readonly possibleLossBytes: number;
  readonly possibleDoubleBytes: number;
}

export interface AgentMark {
  readonly agent: string;
  /** Highest source number ever seen of it. */
  readonly numberMax: number;
  /**
   * Highest source number of it that was forgotten, itself never forgotten. A source without a mark is new above it: it cannot have had
   * one. Absent in epochs that were written before it was kept: then `numberMax` stands for it.
   */
  readonly forgottenMax?: number;
  /** `tMs` of its last beat. */
  readonly tMs: number;
  /** Log time of its last beat. */
  readonly logTimeMs: number;
  readonly hasEnded: boolean;
  /** Raw offset of the first message of its last complete full beat: raw must be kept from there on. */
  readonly fullBeatOffset: number | null;
}

/** What became of lines, per source and consumer. Totals since the source began, not differences. */
export interface LedgerEntry {
  readonly source: SourceId;
  /** The rollup's name, or `documents.<sink>`, which no rollup can have. */
  readonly consumer: string;
  readonly fate: Fate;
  /** The dead letter's reason, that of a filter, the index of a document, the field whose value was lost, else ''. */
  readonly reason: string;
  readonly sum: LineSum;
}
/**
 * `in` is the sum of the others but two. `placed`: of the lines that were rolled up, each once for every row that has taken it; it is what the
 * sums of the rows come to. `value_lost`: lines on which an expression (`reason`) had no value because that was beyond its type, or could not be
 * cast; without hash sums.
 */
export const FATES = [
  'in',
  'rolled_up',
  'placed',
  'indexed',
  'filtered',
  'late',
  'dead_letter',
  'declared_loss',
  'value_lost',
] as const;
export type Fate = (typeof FATES)[number];

/** A late line: it touched no row, because every window it belongs to was closed. */
export interface LateLine {
  readonly source: SourceId;
  readonly offset: number;
  readonly eventTimeMs: number;
  readonly rollup: string;
  /** Start of the first window it missed. */
  readonly windowStartMs: number;
  /** End of the last one. */
  readonly windowEndMs: number;
  /** Other windows, later ones, have taken it: its fate is `rolled_up`. */
  readonly isPart?: boolean;
  /** The watermark just before the line. */
  readonly watermarkMs: number;
  /** The key's values as text, one a key field; null is NULL. */
  readonly key: readonly (string | null)[];
}

/** A line no consumer could take, with its bytes. */
export interface DeadLetter {
  readonly source: SourceId;
  readonly offset: number;
  /** Of its verdict (record/batch.ts), or `rejected`: the store a sink writes to cannot take it. */
  readonly reason: string;
  /** Where the source was found when the line was read; '' where nobody had said. */
  readonly path: string;
  /** Which field broke, where, and why, for people: at most DETAIL_CHARACTERS_MAX, unescaped; '' where nothing is known. */
  readonly detail: string;
  /** At most DEAD_LETTER_BYTES_MAX of it: of a longer line its begin and its end (dead-letter.ts). */
  readonly bytes: Uint8Array;
  readonly isCut: boolean;
  readonly lengthBytes: number;
}

/** All that one engine task decided in one checkpoint interval. */
export interface EpochBody {
  /** −Infinity travels as null. */
  readonly watermarkMs: number;
  /** Sum of the steps between `appendedAt`s, each counted as at most 10 s. */
  readonly logTimeMs: number;
  readonly lastAppendedAtMs: number;
  readonly agents: readonly AgentMark[];
  readonly sources: readonly SourceMark[];
  readonly ledger: readonly LedgerEntry[];
  /** Rows that are new or have changed; of an identity there is either this or a remove, and at most one. */
  readonly upserts: readonly RowSet[];
  /** Identities of rows that are no more. None was final. */
  readonly removes: readonly RowSet[];
  /** In snapshots, and where it changed. Not for sinks. */
  readonly state: readonly OperatorState[];
  readonly late: readonly LateLine[];
  readonly deadLetters: readonly DeadLetter[];
  /** Messages of raw that did not count, with the reason: refused blocks, damaged ones. For alarms and `audit`. */
  readonly refusals: readonly Refusal[];
  /** In snapshots: the pipeline this generation runs. */
  readonly pipeline: Pipeline | null;
  /** Rollup → hash of its normalised definition: of the pipeline's rollups, and of all that were ever removed, whose tables remain. */
  readonly fingerprints: Readonly<Record<string, string>>;
  /** Rollups that were added later: event time of the first window that is theirs; earlier lines are `filtered` for them. */
  readonly rollupSinceMs: Readonly<Record<string, number>>;
  /** Raw offset this pipeline's history begins at, when raw had been trimmed before; null: from the first message. */
  readonly historyFrom: number | null;
}

export interface Refusal {
  readonly rawOffset: number;
  /** '' where the message was too damaged to say. */
  readonly source: SourceId | '';
  readonly reason: 'forgotten_source' | 'wrong_identity' | 'wrong_tail' | 'gap' | 'damaged' | 'hole';
  readonly start: number;
  readonly end: number;
}

export interface Epoch {
  readonly envelope: EpochEnvelope;
  readonly body: EpochBody;
}
