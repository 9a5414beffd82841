import type { ByteReader, ByteWriter } from '../lib/bytes.ts';
import { OperatingError } from '../lib/errors.ts';

const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { fatal: true });

/** Every format begins alike: one byte that names it, one byte of version, a varint length, and a JSON object of that length. */
export function encodeHead(out: ByteWriter, magic: number, version: number, head: object): void {
  const json = encoder.encode(JSON.stringify(head));
  out.u8(magic);
  out.u8(version);
  out.varint(json.length);
  out.append(json);
}

/**
 * The head's object; the reader then stands behind it. Throws an OperatingError if the version is newer than `version`,
 * a RangeError or SyntaxError if the bytes are damaged.
 */
export function decodeHead(reader: ByteReader, magic: number, version: number, what: string): Record<string, unknown> {
  const found = reader.u8();
  if (found !== magic) throw new RangeError(`not a ${what}: begins with byte ${found}, not ${magic}`);
  const foundVersion = reader.u8();
  if (foundVersion > version) {
    throw new OperatingError(`${what} has format version ${foundVersion}, this program reads up to ${version}`, {
      code: 'FORMAT_NEWER',
      hint: 'run the newer tailrace that wrote it',
    });
  }
  return JSON.parse(decoder.decode(reader.take(reader.varint()))) as Record<string, unknown>;
}
