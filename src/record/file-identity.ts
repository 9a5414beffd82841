import { hash64 } from '../lib/hash.ts';

/** Of a longer first line only this much goes into the identity: a file is a source before its first line of a gigabyte ends. */
export const HEAD_BYTES_MAX = 4096;

/** What the file system says of a file that a later file under the same name does not share: file system id, inode, birth time. */
export function fileKey(stats: { readonly dev: bigint; readonly ino: bigint; readonly birthtimeNs: bigint }): string {
  return `${stats.dev}:${stats.ino}:${stats.birthtimeNs}`;
}

/**
 * Identity of a source: its first complete line (of it at most HEAD_BYTES_MAX; of a file without a complete line, what there was). It is that
 * of the content, which a copy shares: where the content lies is a hint for finding it again, and no more.
 */
export function identityOf(head: Uint8Array): string {
  return hash64(head);
}
