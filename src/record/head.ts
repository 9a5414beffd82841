import type { ByteReader, ByteWriter } from '../lib/bytes.ts';
import { EXIT, OperatingError } from '../lib/errors.ts';

const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { fatal: true });

/** What a field of a head must be. `count` is an integer from 0 to 2^53 − 1; `text` a string, `flag` a boolean, `list` an array, `counts` an object of counts. */
export type FieldShape = 'count' | 'number' | 'text' | 'flag' | 'list' | 'counts';
export type HeadShape = Readonly<Record<string, FieldShape>>;

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
      // A restart would not help.
      exitCode: EXIT.config,
    });
  }
  if (foundVersion === 0) throw new RangeError(`${what} has format version 0, which never was`);
  const head: unknown = JSON.parse(decodeText(reader.take(reader.varint()), what));
  if (typeof head !== 'object' || head === null || Array.isArray(head)) throw new RangeError(`${what} has no head`);
  return head as Record<string, unknown>;
}

/** Throws a RangeError unless every named field is there and of its shape: readers rely on it, whoever wrote the bytes. */
export function checkShape(head: Readonly<Record<string, unknown>>, shape: HeadShape, what: string): void {
  for (const name in shape) {
    if (!hasShape(head[name], shape[name]!)) throw new RangeError(`${what}: "${name}" is not a ${shape[name]}`);
  }
}

function hasShape(value: unknown, shape: FieldShape): boolean {
  if (shape === 'count') return Number.isSafeInteger(value) && (value as number) >= 0;
  if (shape === 'list') return Array.isArray(value);
  if (shape === 'counts') {
    const isMap = typeof value === 'object' && value !== null && !Array.isArray(value);
    return isMap && Object.values(value).every((count) => hasShape(count, 'count'));
  }
  return typeof value === (shape === 'text' ? 'string' : shape === 'flag' ? 'boolean' : 'number');
}

/** The decoder's own complaint is a TypeError, which elsewhere means a bug. */
function decodeText(bytes: Uint8Array, what: string): string {
  try {
    return decoder.decode(bytes);
  } catch {
    throw new RangeError(`the head of the ${what} is no UTF-8`);
  }
}
