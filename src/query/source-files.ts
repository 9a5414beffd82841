import type { BigIntStats } from 'node:fs';
import { type FileHandle, open, readdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { HEAD_BYTES_MAX, fileKey, identityOf } from '../record/file-identity.ts';
import { isPartitionPath } from '../record/partition-path.ts';
import { type LineSum, emptySum, laneA, laneB } from '../record/line-id.ts';
import { type SourceId, TAIL_BYTES, lineHashSeeds, tailHash } from '../record/source.ts';

/** A range of a source's bytes, as the warehouse knows it. */
export interface SourceRange {
  readonly source: SourceId;
  readonly identity: string;
  readonly path: string;
  readonly origin: number;
  readonly position: number;
  /** Hash of the 64 bytes below `position`, where it is known: of files that begin alike it tells which. */
  readonly tail?: string;
}

export interface FileCount {
  readonly sum: LineSum;
  readonly sizeBytes: number;
}

const NEWLINE = 10;
const CHUNK_BYTES = 1024 * 1024;
/** A rotated file is looked for under the other names of its folder, among at most so many. */
const NEIGHBOURS_MAX = 1000;

interface Candidate {
  readonly path: string;
  readonly key: string;
  /** The first complete line, or what there is of it. */
  readonly head: Uint8Array;
}

/** Counts lines in the files themselves, with code that shares nothing with the agent's or the engine's but the definition of a line's hash. */
export class SourceFiles {
  readonly #folders = new Map<string, readonly Candidate[]>();

  /** Names the file that has the source's bytes now (device, inode, birth time); undefined if none has. */
  async keyOf(range: SourceRange): Promise<string | undefined> {
    return (await this.#find(range))?.key;
  }

  /** Lines that begin in [origin, position) of the source's file; undefined if the file is no longer there, under any name of its folder. */
  async count(range: SourceRange): Promise<FileCount | undefined> {
    if (isPartitionPath(range.path)) return undefined;
    const found = await this.#find(range);
    if (found === undefined) return undefined;
    const handle = await open(found.path, 'r');
    try {
      const { size } = await handle.stat();
      const sum = size < range.position ? undefined : await countLines(handle, range);
      return sum === undefined ? undefined : { sum, sizeBytes: size };
    } finally {
      await handle.close();
    }
  }

  async #find(range: SourceRange): Promise<Candidate | undefined> {
    const { path } = range;
    const own = await candidate(path);
    if (own !== undefined && (await isSource(own, range))) return own;
    const folder = dirname(path);
    let neighbours = this.#folders.get(folder);
    if (neighbours === undefined) this.#folders.set(folder, (neighbours = await candidatesOf(folder)));
    for (const neighbour of neighbours) if (await isSource(neighbour, range)) return neighbour;
    return undefined;
  }
}

/** Whether a file is the source. When the agent met it its first line may have been shorter: then a part of today's head gives the identity. */
async function isSource({ path, head }: Candidate, { identity, position, tail }: SourceRange): Promise<boolean> {
  for (let length = head.length; length >= 0; length--) {
    if (identityOf(head.subarray(0, length)) !== identity) continue;
    return tail === undefined || tail === '' || (await tailOf(path, position)) === tail;
  }
  return false;
}

async function tailOf(path: string, position: number): Promise<string | undefined> {
  const handle = await open(path, 'r');
  try {
    const length = Math.min(TAIL_BYTES, position);
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(length), 0, length, position - length);
    return bytesRead === length ? tailHash(buffer) : undefined;
  } finally {
    await handle.close();
  }
}

async function candidatesOf(folder: string): Promise<Candidate[]> {
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
  const files = entries.filter((entry) => entry.isFile()).slice(0, NEIGHBOURS_MAX);
  const candidates = await Promise.all(files.map((file) => candidate(join(folder, file.name))));
  return candidates.filter((found) => found !== undefined);
}

async function candidate(path: string): Promise<Candidate | undefined> {
  let handle: FileHandle;
  try {
    handle = await open(path, 'r');
  } catch {
    return undefined;
  }
  try {
    const stats: BigIntStats = await handle.stat({ bigint: true });
    if (!stats.isFile()) return undefined;
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(HEAD_BYTES_MAX), 0, HEAD_BYTES_MAX, 0);
    const head = buffer.subarray(0, bytesRead);
    const newline = head.indexOf(NEWLINE);
    return { path, key: fileKey(stats), head: newline < 0 ? head : head.subarray(0, newline + 1) };
  } finally {
    await handle.close();
  }
}

async function countLines(handle: FileHandle, { source, origin, position }: SourceRange): Promise<LineSum | undefined> {
  const [seedA, seedB] = lineHashSeeds(source);
  const sum = emptySum();
  const addLineAt = (offset: number): void => {
    sum.lines++;
    sum.a = (sum.a + laneA(seedA, offset)) >>> 0;
    sum.b = (sum.b + laneB(seedB, offset)) >>> 0;
  };
  const chunk = Buffer.allocUnsafe(CHUNK_BYTES);
  let previous = NEWLINE;
  for (let at = origin; at < position;) {
    const { bytesRead } = await handle.read(chunk, 0, Math.min(CHUNK_BYTES, position - at), at);
    if (bytesRead === 0) return undefined;
    for (let index = 0; index < bytesRead; index++) {
      const byte = chunk[index]!;
      // Zero bytes are a hole, part of no line; so is a newline right behind them.
      const isBegin = previous === NEWLINE ? byte !== 0 : previous === 0 && byte !== 0 && byte !== NEWLINE;
      if (isBegin) addLineAt(at + index);
      previous = byte;
    }
    at += bytesRead;
  }
  return sum;
}
