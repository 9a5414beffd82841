import {
  Batch,
  type Column,
  type StringColumn,
  VERDICT_MALFORMED,
  VERDICT_GOES_ON,
  VERDICT_NO_EVENT_TIME,
} from '../record/batch.ts';
import type { BlockLines, DecodeRequest } from './codec.ts';
import { type Address, readAddress } from './ip.ts';

/** A cell as an interpreter gives it: a number (beyond 2^53 exact), text in the block as [start, end), text that is not in the block, or NULL. */
export type Cell = number | bigint | readonly [start: number, end: number] | Uint8Array | null;

/** The fields of one line by name, a missing one being NULL; undefined where the line does not match the codec's grammar. */
export type LineRecord = ReadonlyMap<string, Cell> | undefined;

/** Reads the line `bytes[start, end)`. */
export type LineParser = (bytes: Buffer, start: number, end: number) => LineRecord;

/** The block's bytes as a Buffer, for its `indexOf`, and so that hot loops see one class of array whatever the caller has. */
export function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** What every decoder throws when a block's header does not fit its bytes: the block is damaged, not one of its lines. */
export function damagedBlock(lines: number): RangeError {
  return new RangeError(`the block does not hold the ${lines} lines its header says`);
}

/** The slow, plain decoder of any codec: finds the lines, calls `parse` for each, and fills the batch. The oracle of generated code. */
export function interpretLines(block: BlockLines, batch: Batch, request: DecodeRequest, parse: LineParser): void {
  const bytes = asBuffer(block.bytes);
  batch.reset(block.bytes, block.lines);
  let next = 0;
  for (let row = 0; row < block.lines; row++) {
    const start = next;
    if (start > bytes.length || (start === bytes.length && block.lengths?.[row] !== 0)) throw damagedBlock(block.lines);
    const end = lineEnd(block, bytes, row, start);
    next = end + 1;
    setBounds(block, batch, row, start, end);
    fillRow(batch, row, request, parse(bytes, batch.lineStart[row]!, batch.lineEnd[row]!));
  }
  if (next < bytes.length) throw damagedBlock(block.lines);
  batch.length = block.lines;
}

function lineEnd(block: BlockLines, bytes: Buffer, row: number, start: number): number {
  const length = block.lengths?.[row];
  if (length !== undefined) {
    const end = start + length;
    if (end > bytes.length || (end < bytes.length && bytes[end] !== 0x0a)) throw damagedBlock(block.lines);
    return end;
  }
  const newline = bytes.indexOf(0x0a, start);
  return newline < 0 ? bytes.length : newline;
}

/** Where the text of a line begins: behind a byte order mark of UTF-8, which stands at a file's begin, and where files were joined. */
export function textStart(bytes: Uint8Array, start: number, end: number): number {
  let at = start;
  while (at + 3 <= end && bytes[at] === 0xef && bytes[at + 1] === 0xbb && bytes[at + 2] === 0xbf) at += 3;
  return at;
}

/**
 * Sets the bounds of a row whose line ends at `end`, where its newline is. A byte order mark before it and a carriage return behind it are
 * no part of the line; its offset is where its bytes begin, with the mark.
 */
export function setBounds(block: BlockLines, batch: Batch, row: number, start: number, end: number): void {
  const begin = textStart(block.bytes, start, end);
  batch.lineStart[row] = begin;
  batch.lineEnd[row] = end > begin && block.bytes[end - 1] === 0x0d ? end - 1 : end;
  batch.lineOffset[row] = block.offsets === undefined ? block.start + start : block.offsets[row]!;
}

/** Writes one row as an interpreter read it. */
export function fillRow(batch: Batch, row: number, request: DecodeRequest, record: LineRecord): void {
  if (request.eventTimeField !== undefined) batch.eventTimeMs[row] = Number.NaN;
  batch.verdict[row] = VERDICT_MALFORMED;
  if (record === undefined) return;
  batch.verdict[row] = VERDICT_GOES_ON;
  for (const [i, { name }] of request.fields.entries())
    setCell(batch, batch.decoded[i]!, row, record.get(name) ?? null);
  if (request.eventTimeField === undefined) return;
  const time = record.get(request.eventTimeField);
  if (typeof time === 'number' && !Number.isNaN(time)) batch.eventTimeMs[row] = time;
  else batch.verdict[row] = VERDICT_NO_EVENT_TIME;
}

function setCell(batch: Batch, column: Column, row: number, cell: Cell): void {
  if (column.kind === 'number') {
    if (typeof cell === 'bigint') Batch.setLarge(column, row, cell);
    else column.values[row] = typeof cell === 'number' ? cell : Number.NaN;
    return;
  }
  column.start[row] = 0;
  column.length[row] = -1;
  if (cell === null || typeof cell === 'number' || typeof cell === 'bigint') return;
  if (cell instanceof Uint8Array) {
    column.start[row] = -1 - batch.appendScratch(cell);
    column.length[row] = cell.length;
  } else {
    column.start[row] = cell[0];
    column.length[row] = cell[1] - cell[0];
  }
}

/** Stores the host of an address in a column of texts, NULL for none. */
export function storeHost(batch: Batch, index: number, row: number, address: Address | undefined): void {
  const column = batch.decoded[index] as StringColumn;
  if (address?.canonical !== undefined) {
    column.start[row] = -1 - batch.appendScratch(address.canonical);
    column.length[row] = address.canonical.length;
  } else {
    column.start[row] = address?.start ?? 0;
    column.length[row] = address === undefined ? -1 : address.end - address.start;
  }
}

/** Makes the text of a cell the host of the IP address it is (see ip.ts); NULL where it is none. */
export function storeIp(batch: Batch, column: StringColumn, row: number): void {
  const start = column.start[row]!;
  const length = column.length[row]!;
  const isScratch = start < 0;
  const at = isScratch ? -1 - start : start;
  const address = readAddress(isScratch ? batch.scratch : batch.bytes, at, at + length);
  if (!address.isIp) column.length[row] = -1;
  else if (address.canonical !== undefined) {
    column.start[row] = -1 - batch.appendScratch(address.canonical);
    column.length[row] = address.canonical.length;
  } else {
    column.start[row] = isScratch ? -1 - address.start : address.start;
    column.length[row] = address.end - address.start;
  }
}
