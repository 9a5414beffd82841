import { isAscii, isUtf8 } from 'node:buffer';
import {
  type DuckDBConnection,
  DuckDBDataChunk,
  type DuckDBType,
  BOOLEAN,
  DOUBLE,
  LIST,
  UINTEGER,
  VARCHAR,
} from '@duckdb/node-api';
import duckdb from '@duckdb/node-bindings';
import type { ColumnData } from '../../epoch/table.ts';
import { assert } from '../../lib/assert.ts';
import { textOf } from '../../lib/text.ts';

/** DuckDB's vector size: a data chunk holds at most so many rows. */
const CHUNK_ROWS = 2048;
const encoder = new TextEncoder();

type Texts = Extract<ColumnData, { kind: 'string' }>;

/** Numbers of rows: those of row i are `values[offsets[i] … offsets[i+1])`. */
export interface StagedLists {
  readonly kind: 'list';
  readonly offsets: Uint32Array;
  readonly values: Float64Array;
}

export type StagedColumn = ColumnData | StagedLists;

const STAGE_TYPES: Readonly<Record<StagedColumn['kind'], DuckDBType>> = {
  number: DOUBLE,
  word: UINTEGER,
  flag: BOOLEAN,
  string: VARCHAR,
  list: LIST(DOUBLE),
};

/** How SQL calls the type of a staged column. */
export function stageType({ kind }: StagedColumn): string {
  return STAGE_TYPES[kind].toString();
}

/**
 * Bulk load of columns into a table of the temp schema whose columns have the types of `stageType`, in order. Typed arrays are
 * copied as they are, without a value or a null per row (the statement that reads the stage makes NaN NULL): that is why this
 * goes to the bindings below the API's vectors, whose setters cost a BigInt operation per value.
 */
export async function loadStage(
  connection: DuckDBConnection,
  table: string,
  length: number,
  columns: readonly StagedColumn[],
): Promise<void> {
  const types = columns.map(({ kind }) => STAGE_TYPES[kind]);
  const writers = columns.map(columnWriter);
  const appender = await connection.createAppender(table, null, 'temp');
  // One chunk for all: the collector does not see what a chunk holds outside of its heap, and would let hundreds wait.
  const chunk = DuckDBDataChunk.create(types);
  for (let start = 0; start < length; start += CHUNK_ROWS) {
    const rows = Math.min(CHUNK_ROWS, length - start);
    chunk.reset();
    chunk.rowCount = rows;
    writers.forEach((write, index) => write(duckdb.data_chunk_get_vector(chunk.chunk, index), start, rows));
    appender.appendDataChunk(chunk);
  }
  appender.flushSync();
  appender.closeSync();
}

type ColumnWriter = (vector: duckdb.Vector, start: number, rows: number) => void;

function columnWriter(column: StagedColumn): ColumnWriter {
  if (column.kind === 'string') return stringWriter(column);
  if (column.kind === 'list') return listWriter(column);
  const { byteOffset, BYTES_PER_ELEMENT: width } = column.values;
  const buffer = bufferOf(column.values);
  return (vector, start, rows) => {
    duckdb.copy_data_to_vector(vector, 0, buffer, byteOffset + start * width, rows * width);
  };
}

function stringWriter({ offsets, bytes, nulls }: Texts): ColumnWriter {
  // The binding turns text that is no UTF-8 into NULL without a word, which would make two keys one.
  const isPlain = isAscii(bytes);
  return (vector, start, rows) => {
    let mask: Uint8Array<ArrayBuffer> | undefined;
    for (let row = 0; row < rows; row++) {
      const at = start + row;
      if (nulls[at] === 1) {
        mask ??= new Uint8Array(CHUNK_ROWS / 8).fill(0xff);
        mask[row >> 3]! &= ~(1 << (row & 7));
        continue;
      }
      const text = bytes.subarray(offsets[at], offsets[at + 1]);
      duckdb.vector_assign_string_element_len(
        vector,
        row,
        isPlain || isUtf8(text) ? text : encoder.encode(textOf(text)),
      );
    }
    if (mask === undefined) return;
    duckdb.vector_ensure_validity_writable(vector);
    duckdb.copy_data_to_vector_validity(vector, 0, mask.buffer, mask.byteOffset, mask.byteLength);
  };
}

/** Where each list begins among the numbers of the chunk and how long it is, in 64 bits each; then the numbers. */
function listWriter({ offsets, values }: StagedLists): ColumnWriter {
  return (vector, start, rows) => {
    const [from, to] = [offsets[start]!, offsets[start + rows]!];
    const places = new Uint32Array(rows * 4);
    for (let row = 0; row < rows; row++) {
      places[row * 4] = offsets[start + row]! - from;
      places[row * 4 + 2] = offsets[start + row + 1]! - offsets[start + row]!;
    }
    duckdb.copy_data_to_vector(vector, 0, bufferOf(places), places.byteOffset, places.byteLength);
    duckdb.list_vector_reserve(vector, to - from);
    duckdb.list_vector_set_size(vector, to - from);
    if (to === from) return;
    const numbers = duckdb.list_vector_get_child(vector);
    const width = values.BYTES_PER_ELEMENT;
    duckdb.copy_data_to_vector(numbers, 0, bufferOf(values), values.byteOffset + from * width, (to - from) * width);
  };
}

function bufferOf({ buffer }: Float64Array | Uint32Array | Uint8Array): ArrayBuffer {
  assert(!(buffer instanceof SharedArrayBuffer), 'a column of an epoch is not in shared memory');
  return buffer;
}
