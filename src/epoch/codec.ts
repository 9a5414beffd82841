import type { OutgoingMessage } from '../broker/broker.ts';
import { assert } from '../lib/assert.ts';
import { ByteReader, ByteWriter } from '../lib/bytes.ts';
import { type HeadShape, checkShape, decodeHead, encodeHead } from '../record/head.ts';
import type { DeadLetter, Epoch, EpochBody, EpochEnvelope, LateLine } from './epoch.ts';
import { SectionReader, SectionWriter } from './sections.ts';
import { type ColumnData, type OperatorState, type RowSet, lengthOf } from './table.ts';

const MAGIC_ENVELOPE = 0x45; // 'E'
const MAGIC_BODY = 0x59; // 'Y'
const VERSION = 1;
const ENVELOPE_SHAPE = {
  id: 'text',
  prev: 'text',
  n: 'count',
  from: 'count',
  to: 'count',
  rawLog: 'text',
  rawId: 'text',
  isSnapshot: 'flag',
  generation: 'count',
  otherLines: 'counts',
  possibleLossBytes: 'count',
  possibleDoubleBytes: 'count',
  part: 'count',
  parts: 'count',
} as const;

/** A body larger than this goes in parts: well below the topic's limit, whatever the compression does. */
export const PART_BYTES_MAX = 4 * 1024 * 1024;
/** The limit an epoch topic must have. */
export const EPOCH_MESSAGE_BYTES_MAX = 8 * 1024 * 1024;

/** What every reader of a body relies on. */
const LISTS: Readonly<Record<string, HeadShape>> = {
  agents: { agent: 'text', numberMax: 'count' },
  sources: {
    source: 'text',
    identity: 'text',
    path: 'text',
    origin: 'count',
    position: 'count',
    tail: 'text',
    state: 'text',
  },
  ledger: { source: 'text', consumer: 'text', fate: 'text', reason: 'text' },
  refusals: { reason: 'text' },
};
const LETTER_SHAPE = { source: 'text', offset: 'count', reason: 'text', path: 'count', detail: 'text' } as const;

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** The messages of an epoch, in order: part messages, and last the epoch message that counts. */
export function encodeEpoch(epoch: Epoch, partBytesMax = PART_BYTES_MAX): OutgoingMessage[] {
  const body = encodeBody(epoch.body);
  const parts = Math.max(1, Math.ceil(body.length / partBytesMax));
  return Array.from({ length: parts }, (_, part) => ({
    kind: part === parts - 1 ? 'epoch' : 'part',
    header: encodeEnvelope({ ...epoch.envelope, part, parts }),
    value: body.subarray(part * partBytesMax, (part + 1) * partBytesMax),
  }));
}

export function encodeEnvelope(envelope: EpochEnvelope): Uint8Array {
  const out = new ByteWriter();
  encodeHead(out, MAGIC_ENVELOPE, VERSION, envelope);
  return out.view().slice();
}

/** Throws an OperatingError for a newer version, a RangeError or SyntaxError for damaged bytes. */
export function decodeEnvelope(header: Uint8Array): EpochEnvelope {
  const head = decodeHead(new ByteReader(header), MAGIC_ENVELOPE, VERSION, 'epoch');
  checkShape(head, ENVELOPE_SHAPE, 'epoch');
  return head as unknown as EpochEnvelope;
}

export function encodeBody(body: EpochBody): Uint8Array {
  const out = new SectionWriter();
  const { upserts, removes, state, late, deadLetters, watermarkMs, ...plain } = body;
  return out.finish(MAGIC_BODY, VERSION, {
    ...plain,
    watermarkMs: watermarkMs === -Infinity ? null : watermarkMs,
    upserts: upserts.map((rows) => encodeRows(out, rows)),
    removes: removes.map((rows) => encodeRows(out, rows)),
    state: state.map((one) => encodeState(out, one)),
    late: encodeLate(out, late),
    deadLetters: encodeDeadLetters(out, deadLetters),
  });
}

/** Throws an OperatingError for a newer version, a RangeError or SyntaxError for damaged bytes. */
export function decodeBody(bytes: Uint8Array): EpochBody {
  try {
    return readBody(bytes);
  } catch (error) {
    // The checksum is of whoever wrote it, and the head says what it likes: what has not the shape that is read here is damage, too.
    if (error instanceof TypeError) throw new RangeError(`the epoch body is not of its shape: ${error.message}`);
    throw error;
  }
}

function readBody(bytes: Uint8Array): EpochBody {
  const sections = new SectionReader(bytes, MAGIC_BODY, VERSION, 'epoch body');
  const { late, deadLetters, watermarkMs, sections: _, ...plain } = sections.head as Record<string, any>;
  for (const [name, shape] of Object.entries(LISTS)) {
    for (const entry of listOf(plain[name], name)) checkShape(entry as Record<string, unknown>, shape, name);
  }
  return {
    ...(plain as EpochBody),
    watermarkMs: (watermarkMs as number | null) ?? -Infinity,
    upserts: listOf(plain['upserts'], 'upserts').map((rows) => decodeRows(sections, rows as any)),
    removes: listOf(plain['removes'], 'removes').map((rows) => decodeRows(sections, rows as any)),
    state: listOf(plain['state'], 'state').map((one) => decodeState(sections, one as any)),
    late: decodeLate(sections, late as Record<string, any>),
    deadLetters: decodeDeadLetters(sections, deadLetters as Record<string, any>),
  };
}

function encodeRows(out: SectionWriter, { table, length, columns }: RowSet): object {
  assert(
    columns.every((column) => lengthOf(column) === length),
    `rows of ${table}: every column has ${length} values`,
  );
  return { table, length, columns: columns.map((column) => encodeColumn(out, column)) };
}

function encodeColumn(out: SectionWriter, column: ColumnData): object {
  const { kind } = column;
  if (kind === 'string')
    return { kind, offsets: out.add(column.offsets), bytes: out.add(column.bytes), nulls: out.add(column.nulls) };
  const rest = kind === 'number' && column.rest !== undefined ? { rest: out.add(column.rest) } : {};
  return { kind, values: out.add(column.values), ...rest };
}

function decodeRows(sections: SectionReader, rows: Record<string, any>): RowSet {
  const table: unknown = rows['table'];
  const length: unknown = rows['length'];
  if (typeof table !== 'string' || typeof length !== 'number') throw new RangeError('rows without a table');
  const columns = listOf(rows['columns'], 'columns').map((column) => decodeColumn(sections, column as any));
  for (const column of columns) {
    if (column.kind === 'string') checkOffsets(column.offsets, length, column.bytes);
    const rest = column.kind === 'number' ? column.rest : undefined;
    if (lengthOf(column) !== length || (rest !== undefined && rest.length !== length))
      throw new RangeError(`a column of ${table} has not one value for each of its rows`);
  }
  return { table, length, columns };
}

function decodeColumn(sections: SectionReader, column: Record<string, any>): ColumnData {
  const { kind, values } = column;
  if (kind === 'word') return { kind, values: sections.u32(values) };
  if (kind === 'flag') return { kind, values: sections.u8(values) };
  if (kind === 'number') {
    const rest = column['rest'] === undefined ? {} : { rest: sections.f64(column['rest']) };
    return { kind, values: sections.f64(values), ...rest };
  }
  if (kind !== 'string') throw new RangeError(`a column of the kind ${String(kind)}`);
  return {
    kind,
    offsets: sections.u32(column['offsets']),
    bytes: sections.u8(column['bytes']),
    nulls: sections.u8(column['nulls']),
  };
}

function encodeState(out: SectionWriter, { arrays, ...plain }: OperatorState): object {
  return { ...plain, arrays: arrays.map((array) => out.add(array)) };
}

function decodeState(sections: SectionReader, state: Record<string, any>): OperatorState {
  checkShape(state, { operator: 'text', version: 'count' }, 'state of an operator');
  return { ...(state as OperatorState), arrays: (state['arrays'] as unknown[]).map((index) => sections.any(index)) };
}

/** That text `i` lies between offset `i` and the next, one behind the other. */
function checkOffsets(offsets: Uint32Array, length: number, bytes: Uint8Array): void {
  let previous = 0;
  for (const offset of offsets) {
    if (offset < previous) throw new RangeError('texts that begin before they end');
    previous = offset;
  }
  if (offsets.length !== length + 1 || previous > bytes.length) throw new RangeError('texts that are not there');
}

/** Late lines by column; sources and rollups, which repeat, as indices into lists of names. */
function encodeLate(out: SectionWriter, late: readonly LateLine[]): object {
  const sources = new NameList();
  const rollups = new NameList();
  const numbers = (of: (line: LateLine) => number): number => out.add(Float64Array.from(late, of));
  return {
    length: late.length,
    source: out.add(Uint32Array.from(late, (line) => sources.indexOf(line.source))),
    rollup: out.add(Uint32Array.from(late, (line) => rollups.indexOf(line.rollup))),
    offset: numbers((line) => line.offset),
    eventTimeMs: numbers((line) => line.eventTimeMs),
    windowStartMs: numbers((line) => line.windowStartMs),
    windowEndMs: numbers((line) => line.windowEndMs),
    watermarkMs: numbers((line) => line.watermarkMs),
    isPart: out.add(Uint8Array.from(late, (line) => (line.isPart === true ? 1 : 0))),
    keys: out.add(encoder.encode(JSON.stringify(late.map((line) => line.key)))),
    sources: sources.names,
    rollups: rollups.names,
  };
}

function decodeLate(sections: SectionReader, late: Record<string, any>): LateLine[] {
  const source = sections.u32(late['source']);
  const rollup = sections.u32(late['rollup']);
  const [offset, eventTimeMs, windowStartMs, windowEndMs, watermarkMs] = [
    'offset',
    'eventTimeMs',
    'windowStartMs',
    'windowEndMs',
    'watermarkMs',
  ].map((name) => sections.f64(late[name]));
  const isPart = sections.u8(late['isPart']);
  const keys = JSON.parse(decoder.decode(sections.u8(late['keys']))) as (string | null)[][];
  const { length } = source;
  for (const column of [rollup, offset, eventTimeMs, windowStartMs, windowEndMs, watermarkMs, isPart, keys]) {
    if (column?.length !== length) throw new RangeError('late lines without a value in each column');
  }
  return Array.from({ length }, (_, i) => ({
    source: nameOf(late['sources'], source[i]!),
    rollup: nameOf(late['rollups'], rollup[i]!),
    offset: offset![i]!,
    eventTimeMs: eventTimeMs![i]!,
    windowStartMs: windowStartMs![i]!,
    windowEndMs: windowEndMs![i]!,
    watermarkMs: watermarkMs![i]!,
    key: keys[i]!,
    ...(isPart[i] === 1 ? { isPart: true } : {}),
  }));
}

function encodeDeadLetters(out: SectionWriter, letters: readonly DeadLetter[]): object {
  const bytes = new ByteWriter();
  const paths = new NameList();
  const offsets = new Uint32Array(letters.length + 1);
  letters.forEach((letter, i) => {
    bytes.append(letter.bytes);
    offsets[i + 1] = bytes.length;
  });
  return {
    letters: letters.map(({ bytes: _, path, ...plain }) => ({ ...plain, path: paths.indexOf(path) })),
    paths: paths.names,
    offsets: out.add(offsets),
    bytes: out.add(bytes.view().slice()),
  };
}

function decodeDeadLetters(sections: SectionReader, list: Record<string, any>): DeadLetter[] {
  const offsets = sections.u32(list['offsets']);
  const bytes = sections.u8(list['bytes']);
  const letters = listOf(list['letters'], 'dead letters') as (Omit<DeadLetter, 'bytes' | 'path'> & { path: number })[];
  checkOffsets(offsets, letters.length, bytes);
  for (const letter of letters) checkShape(letter as never, LETTER_SHAPE, 'dead letter');
  return letters.map((plain, i) => ({
    ...plain,
    path: nameOf(list['paths'], plain.path),
    bytes: bytes.subarray(offsets[i], offsets[i + 1]),
  }));
}

function nameOf(names: unknown, index: number): string {
  const name: unknown = (names as unknown[])[index];
  if (typeof name !== 'string') throw new RangeError('a line without a name');
  return name;
}

function listOf(value: unknown, what: string): readonly unknown[] {
  if (!Array.isArray(value) || value.some((entry) => typeof entry !== 'object' || entry === null))
    throw new RangeError(`${what} is not a list of objects`);
  return value;
}

class NameList {
  readonly names: string[] = [];
  readonly #indices = new Map<string, number>();

  indexOf(name: string): number {
    let index = this.#indices.get(name);
    if (index === undefined) {
      index = this.names.push(name) - 1;
      this.#indices.set(name, index);
    }
    return index;
  }
}
