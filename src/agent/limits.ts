import { BLOCK_BYTES_MAX } from '../record/block.ts';
import { TAIL_BYTES } from '../record/source.ts';

/** Every bound and pace of an agent. All are defaults that may be changed one by one; none is without an end. */
export interface AgentLimits {
  /** The least pause between two reads of a source that has less than a full block, so that one read takes many lines. */
  readonly lingerMs: number;
  /** How often globs are expanded and every known file is checked: also how late a quiet file's growth may be seen. */
  readonly scanMs: number;
  /** Sources in the registry, closed ones included: about 100 MB. A file beyond waits until one is forgotten, and is named as unreadable. */
  readonly sourcesMax: number;
  /** Open files of all inputs; beyond it they take turns. The process's own limit may be lower: see `openFilesWithin`. */
  readonly openFilesMax: number;
  /** Memory for blocks that are read and not yet acknowledged, over all partitions: at the bound reading waits (back-pressure). */
  readonly bufferBytesMax: number;
  /** How often acknowledged positions are written; a crash sends at most this much again. Grows with the number of sources. */
  readonly registryMs: number;
  /** A deleted file is closed when it has been at its end for this long: its writer may still hold it open. */
  readonly deletedQuietMs: number;
  /** A source whose file no pattern finds any more is closed after this long: a mount may come back. */
  readonly missingMs: number;
  /** A closed source whose file is gone is dropped from the registry after this long: two log rotations of a week. */
  readonly forgetMs: number;
  /** Sources in one beat message: about 1 MiB, the message limit of a default Kafka. */
  readonly beatSourcesMax: number;
  /** Pace of beats while anything changed within `beatActiveMs`. */
  readonly beatMs: number;
  /** Pace of beats when nothing has changed for `beatActiveMs`. */
  readonly beatIdleMs: number;
  readonly beatActiveMs: number;
  /** Pace of full beats, from which a lost registry is rebuilt. */
  readonly beatFullMs: number;
  /** Pauses between attempts of a refused append: they double from the first to the second. */
  readonly retryMs: number;
  readonly retryMsMax: number;
  /** In once mode: how long an input is waited for that does not answer what it has. */
  readonly onceWaitMs: number;
}

export const DEFAULT_LIMITS: AgentLimits = {
  lingerMs: 100,
  scanMs: 1_000,
  sourcesMax: 100_000,
  openFilesMax: 4_096,
  bufferBytesMax: 64 * 1024 * 1024,
  registryMs: 1_000,
  deletedQuietMs: 5_000,
  missingMs: 30_000,
  forgetMs: 14 * 24 * 3_600_000,
  beatSourcesMax: 3_000,
  beatMs: 1_000,
  beatIdleMs: 10_000,
  beatActiveMs: 300_000,
  beatFullMs: 600_000,
  retryMs: 100,
  retryMsMax: 10_000,
  onceWaitMs: 20_000,
};

/** Room for one block and for the bytes before it that prove the file is still the same. */
export const BLOCK_ROOM_BYTES = BLOCK_BYTES_MAX + TAIL_BYTES;
/** Blocks of one append: about 4 MiB, where the cost of a durable commit vanishes. */
const SLAB_BLOCKS_MAX = 8;
/** Slabs of a lane: one on its way to the log, one being filled. */
export const SLABS_PER_LANE = 2;

/** How many blocks fit in one slab of each of `lanes` lanes within the memory bound; at least one. */
export function slabBlocks(lanes: number, bufferBytesMax: number): number {
  const fair = Math.floor(bufferBytesMax / (BLOCK_ROOM_BYTES * SLABS_PER_LANE * Math.max(1, lanes)));
  return Math.max(1, Math.min(SLAB_BLOCKS_MAX, fair));
}
