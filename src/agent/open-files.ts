import { readFileSync } from 'node:fs';
import { OperatingError, systemErrorCode } from '../lib/errors.ts';
import type { SourceHandle } from './source.ts';

/** A source that has a file of its own, open or not. */
export interface FileHolder {
  readonly isOpen: boolean;
  /** Open without need: nothing is there that was not read. */
  readonly isAtRest: boolean;
  detach(): void;
}

/** What the log, the registry, listings of folders and the runtime itself have open beside the files that are read. */
const OTHERS_MIN = 32;
/** Of a large limit a share is for the sockets of clusters. */
const OTHERS_SHARE = 0.25;
/** Where the system does not say: what POSIX promises to every process, and more than most need. */
const LIMIT_UNKNOWN = 256;

/** How many files may be open for reading, of `limit` open files a process may have: at least 4, at most `max`. */
export function openFilesWithin(limit: number, max: number): number {
  const others = Math.max(OTHERS_MIN, Math.ceil(Math.min(limit, 2 * max) * OTHERS_SHARE));
  return Math.max(4, Math.min(max, limit - others));
}

/** Open files this process may have. */
export function processFilesMax(): number {
  try {
    const [, soft] = /^Max open files\s+(\d+|unlimited)/m.exec(readFileSync('/proc/self/limits', 'utf8')) ?? [];
    if (soft !== undefined) return soft === 'unlimited' ? Infinity : Number(soft);
  } catch {
    // Systems without /proc are asked below.
  }
  const { report } = process as { readonly report: NodeJS.ProcessReport & { excludeNetwork?: boolean } };
  // Names of peers would be looked up.
  report.excludeNetwork = true;
  const { userLimits } = report.getReport() as { readonly userLimits?: Readonly<Record<string, Limit>> };
  const soft = userLimits?.['open_files']?.soft;
  return soft === 'unlimited' ? Infinity : Number(soft ?? LIMIT_UNKNOWN);
}

interface Limit {
  readonly soft: number | 'unlimited';
}

/**
 * The files of all inputs that are open at one time: beyond the bound they take turns. One that is read to its end gives way first, else the
 * one that has been open the longest; it is opened again when its turn comes. A bound that turns out to be too high becomes lower.
 */
export class OpenFiles {
  /** In the order in which they were opened; some may have been closed since. */
  readonly #open = new Set<FileHolder>();
  #max: number;

  constructor(max: number) {
    this.#max = max;
  }

  /** Opens a file of a source that is read next, at the cost of another. */
  open(holder: FileHolder, open: () => SourceHandle): SourceHandle {
    this.#makeRoom();
    const handle = this.openToLook(open);
    this.#open.delete(holder);
    this.#open.add(holder);
    return handle;
  }

  /** Opens a file that is only looked at, one above the bound. */
  openToLook(open: () => SourceHandle): SourceHandle {
    try {
      return open();
    } catch (error) {
      if (!isTooMany(error) || !this.#shrink()) throw error;
      return open();
    }
  }

  /** A file that was looked at would stay open: it does where there is room. */
  keep(holder: FileHolder): void {
    for (const first of this.#open) {
      if (this.#open.size < this.#max || first.isOpen) break;
      this.#open.delete(first);
    }
    if (this.#open.size >= this.#max) holder.detach();
    else this.#open.add(holder);
  }

  #makeRoom(): void {
    while (this.#open.size >= this.#max) {
      let victim: FileHolder | undefined;
      for (const holder of this.#open) {
        if (holder.isOpen && !holder.isAtRest) continue;
        victim = holder;
        break;
      }
      victim ??= this.#open.values().next().value;
      if (victim === undefined) return;
      victim.detach();
      this.#open.delete(victim);
    }
  }

  /** False when there is nothing to give back. */
  #shrink(): boolean {
    for (const holder of this.#open) if (!holder.isOpen) this.#open.delete(holder);
    if (this.#open.size === 0) return false;
    this.#max = Math.max(1, Math.floor(this.#open.size / 2));
    this.#makeRoom();
    return true;
  }
}

function isTooMany(error: unknown): boolean {
  return systemErrorCode(error instanceof OperatingError ? error.cause : error) === 'EMFILE';
}
