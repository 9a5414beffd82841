import { hash } from 'node:crypto';
import { assert } from '../../lib/assert.ts';
import { type SourceId, agentOf, numberOf } from '../../record/source.ts';

/** Characters of an id that name the source: 21 bytes. */
export const SOURCE_CHARACTERS = 28;
/** Characters that name the offset: 6 bytes. */
export const OFFSET_CHARACTERS = 8;

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
const NUMBER_END = 2 ** 40;
const OFFSET_END = 2 ** 48;

/**
 * The id of a line's document: base64url of its source and of the offset of its first byte, 36 characters, always the same for the same line.
 * A source is its agent's UUID (16 bytes) and its number (5); one that is not of this form (a partition of another program's topic) is
 * the first 21 bytes of the SHA-256 of its id.
 */
export function documentId(source: SourceId, offset: number): string {
  assert(offset >= 0 && offset < OFFSET_END, `an offset of ${offset} in ${source}`);
  const bytes = Buffer.alloc(6);
  bytes.writeUIntBE(offset, 0, 6);
  return sourcePart(source) + bytes.toString('base64url');
}

/** What the ids of all lines of a source begin with. */
export function sourcePart(source: SourceId): string {
  const agent = agentOf(source);
  const number = numberOf(source);
  if (!UUID.test(agent) || number >= NUMBER_END)
    return hash('sha256', source, 'buffer').subarray(0, 21).toString('base64url');
  const bytes = Buffer.alloc(21);
  bytes.write(agent.replaceAll('-', ''), 'hex');
  bytes.writeUIntBE(number, 16, 5);
  return bytes.toString('base64url');
}

const ALPHABET = Buffer.from('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_', 'latin1');

/** Writes the offset's part of an id at `out[at]`: eight characters. For hot loops; the caller has made sure of the range. */
export function writeOffsetPart(out: Uint8Array, at: number, offset: number): void {
  const high = Math.floor(offset / 0x100_0000);
  const low = offset % 0x100_0000;
  out[at] = ALPHABET[high >>> 18]!;
  out[at + 1] = ALPHABET[(high >>> 12) & 63]!;
  out[at + 2] = ALPHABET[(high >>> 6) & 63]!;
  out[at + 3] = ALPHABET[high & 63]!;
  out[at + 4] = ALPHABET[low >>> 18]!;
  out[at + 5] = ALPHABET[(low >>> 12) & 63]!;
  out[at + 6] = ALPHABET[(low >>> 6) & 63]!;
  out[at + 7] = ALPHABET[low & 63]!;
}
