import { hash64 } from '../lib/hash.ts';

/** Of a longer first line only this much goes into the identity: a file is a source before its first line of a gigabyte ends. */
export const HEAD_BYTES_MAX = 4096;

/** What the file system says of a file that a later file under the same name does not share: file system id, inode, birth time. */
export function fileKey(stats: { readonly dev: bigint; readonly ino: bigint; readonly birthtimeNs: bigint }): string {
  return `${stats.dev}:${stats.ino}:${stats.birthtimeNs}`;
}

/**
 * Identity of a source: the file's key, the origin, and the first complete line (of it at most HEAD_BYTES_MAX; of a file without a complete
 * line, what there was). The origin is part of it, so the source that takes over where a closed one ended has an identity of its own.
 */
export function identityOf(key: string, origin: number, head: Uint8Array): string {
  return hash64(Buffer.concat([Buffer.from(`${key}:${origin}\n`), head]));
}
