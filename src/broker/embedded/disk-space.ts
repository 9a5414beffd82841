import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { assert } from '../../lib/assert.ts';
import { pragma } from './database.ts';

/** Blocks leave this share of the disk limit to epochs: the engine must be able to write what lets the log be trimmed. */
const RESERVE_SHARE = 0.1;
/** What a row takes beside header and value: its other columns, cell and pointers. */
const ROW_BYTES = 64;
/** Each page of a long value ends in a pointer to the next. */
const PAGE_POINTER_BYTES = 4;

export interface DiskUsage {
  /** What the log holds; pages that trimming freed are not counted, since they are used again. */
  readonly bytes: number;
  readonly maxBytes: number;
}

export class DiskSpace {
  readonly maxBytes: number;
  readonly #pageBytes: number;
  readonly #pages: StatementSync;
  readonly #freePages: StatementSync;

  constructor(database: DatabaseSync, maxBytes: number) {
    assert(maxBytes > 0, `disk limit of ${maxBytes} bytes`);
    this.maxBytes = maxBytes;
    this.#pageBytes = pragma(database, 'page_size');
    this.#pages = database.prepare('PRAGMA page_count');
    this.#freePages = database.prepare('PRAGMA freelist_count');
  }

  /** Inside a transaction its own writes count too. */
  usage(): DiskUsage {
    const { page_count: pages } = this.#pages.get() as { page_count: number };
    const { freelist_count: freePages } = this.#freePages.get() as { freelist_count: number };
    return { bytes: (pages - freePages) * this.#pageBytes, maxBytes: this.maxBytes };
  }

  /** Whether `messages` rows with `bytes` of header and value still go in. */
  hasRoom(bytes: number, messages: number, isBlocks: boolean): boolean {
    const limitBytes = isBlocks ? this.maxBytes * (1 - RESERVE_SHARE) : this.maxBytes;
    const pages = Math.ceil((bytes + messages * ROW_BYTES) / (this.#pageBytes - PAGE_POINTER_BYTES));
    return this.usage().bytes + pages * this.#pageBytes <= limitBytes;
  }
}
