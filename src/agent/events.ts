import type { SourceId } from '../record/source.ts';

/** Why a source was closed. */
export type CloseReason =
  /** Read to its end in once mode. */
  | 'end'
  /** The file shrank, or its content (or the topic's) changed: what follows is a new source. */
  | 'truncated'
  /** The file was deleted and read to its end, or the topic is gone. */
  | 'deleted'
  /** No pattern finds it any more. */
  | 'missing'
  /** Nothing was read of it: the file turned out to be the content of another source, which goes on in it. */
  | 'copy';

/** What a person or a metric may want to know: at most one a source and state change, never one a line. */
export type AgentEvent =
  | {
      readonly type: 'source_found';
      readonly source: SourceId;
      readonly path: string;
      readonly sizeBytes: number;
      readonly origin: number;
    }
  | {
      readonly type: 'source_closed';
      readonly source: SourceId;
      readonly path: string;
      readonly reason: CloseReason;
      readonly lines: number | undefined;
      /** Bytes that were in the file and were never read. */
      readonly possibleLossBytes: number;
    }
  /** A file with the content of another: which of the two goes on is not known yet. Nothing is read of it, and time waits. */
  | { readonly type: 'copy_held'; readonly path: string; readonly of: string; readonly graceMs: number }
  /** Both stayed: it is read as a file of its own. */
  | { readonly type: 'copy_kept'; readonly path: string; readonly of: string }
  /** A source goes on in the copy of its file. */
  | { readonly type: 'copy_continued'; readonly source: SourceId; readonly path: string; readonly before: string }
  /** A new source begins as another did, and what it may have in common with it could not be found out. */
  | { readonly type: 'possible_double'; readonly source: SourceId; readonly path: string; readonly bytes: number }
  | {
      readonly type: 'unreadable';
      readonly path: string;
      readonly reason: string;
      readonly hint: string;
      /** Not what a pattern was meant to find, such as a log that its rotation has compressed: nothing is missing. */
      readonly isLeftOut?: boolean;
    }
  | { readonly type: 'readable'; readonly path: string }
  /** Records of a topic that were gone, or could not be read, before anybody had read them. */
  | {
      readonly type: 'records_missed';
      readonly path: string;
      readonly records: number;
      readonly reason: string;
      readonly hint: string;
    }
  /** Zero bytes stand between lines: what a crash left, or a truncation under a writer that keeps its offset. Once a source. */
  | {
      readonly type: 'hole_skipped';
      readonly source: SourceId;
      readonly path: string;
      /** Where the block begins in which the first was found. */
      readonly start: number;
      readonly holeBytes: number;
    }
  | { readonly type: 'lines_cut'; readonly source: SourceId; readonly path: string; readonly lineBytesMax: number }
  | {
      readonly type: 'backpressure_began';
      readonly topic: string;
      readonly partition: number;
      readonly reason: string;
      /** Of the error, such as `LOG_DISK_FULL`; what partitions are held up by at the same time is mostly the same. */
      readonly code: string;
    }
  | { readonly type: 'backpressure_ended'; readonly topic: string; readonly partition: number }
  | { readonly type: 'registry_rebuilt'; readonly agent: string; readonly sources: number }
  | {
      readonly type: 'progress';
      /** Acknowledged bytes since the start of this process. */
      readonly bytesSent: number;
      /** Acknowledged bytes and those known to be in files and not yet sent. */
      readonly bytesKnown: number;
      /** Acknowledged lines since the start of this process. */
      readonly lines: number;
    };

export type Notify = (event: AgentEvent) => void;
