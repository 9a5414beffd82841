import fc from 'fast-check';
import type { BlockLines, CodecDefinition, DecodeRequest, Decoder } from '../../src/codecs/codec.ts';
import { Batch, LINE_VERDICTS } from '../../src/record/batch.ts';

/** A decoded line with everything a decoder promises of it; strings as latin1, so that no byte is lost. */
export interface DecodedLine {
  readonly text: string;
  readonly offset: number;
  readonly reason: string;
  readonly eventTimeMs: number | undefined;
  /** Empty for a dead letter: its cells hold nothing to rely on. */
  readonly record: Readonly<Record<string, string | number | bigint | null>>;
}

/** Decodes a block into a batch that is dirty from before, so that a cell nobody wrote is seen. */
export function decodeBlock(decoder: Decoder, block: BlockLines, request: DecodeRequest): DecodedLine[] {
  const batch = new Batch(
    request.fields.map(({ type }) => type),
    4,
  );
  batch.reset(block.bytes, block.lines);
  for (const column of batch.columns) {
    if (column.kind === 'number') column.values.fill(-777);
    else {
      column.start.fill(0);
      column.length.fill(1);
    }
  }
  batch.eventTimeMs.fill(-777);
  batch.verdict.fill(99);
  decoder(block, batch);
  return Array.from({ length: batch.length }, (_, row) => ({
    text: latin1(batch.lineBytes(row)),
    offset: batch.lineOffset[row]!,
    reason: reasonOf(batch.verdict[row]!),
    eventTimeMs: request.eventTimeField === undefined ? undefined : batch.eventTimeMs[row]!,
    record: batch.verdict[row] === 0 ? recordOf(batch, row, request) : {},
  }));
}

function reasonOf(verdict: number): string {
  return verdict === 0 ? 'none' : (LINE_VERDICTS[verdict]?.reason ?? `verdict ${verdict}`);
}

function recordOf(batch: Batch, row: number, request: DecodeRequest): DecodedLine['record'] {
  const record: Record<string, string | number | bigint | null> = {};
  for (const [i, { name }] of request.fields.entries()) {
    const column = batch.columns[i]!;
    if (column.kind === 'number') {
      const value = column.values[row]!;
      const isLarge = Math.abs(value) >= 2 ** 53 && Number.isInteger(value) && request.fields[i]!.type === 'long';
      const rest = column.rest?.[row] ?? 0;
      // Where there is a rest the number is beyond 2^53: a rest of another one would show.
      const number = isLarge ? BigInt(value) + BigInt(rest) : rest === 0 ? value : value + rest;
      record[name] = Number.isNaN(value) ? null : number;
    } else {
      const bytes = batch.stringBytes(column, row);
      record[name] = bytes === undefined ? null : latin1(bytes);
    }
  }
  return record;
}

function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('latin1');
}

/** Lines, given as latin1 text, as one block. */
export function blockOf(lines: readonly string[], start = 0, isTerminated = true): BlockLines {
  const text = lines.join('\n') + (isTerminated && lines.length > 0 ? '\n' : '');
  return { bytes: Buffer.from(text, 'latin1'), lines: lines.length, start };
}

/** All fields of a codec, with event time where it has one. */
export function requestAll<Options>(codec: CodecDefinition<Options>, options: Options): DecodeRequest {
  const fields = Object.entries(codec.fields(options)).map(([name, type]) => ({ name, type }));
  const eventTimeField = codec.defaultEventTimeField;
  return eventTimeField !== undefined && fields.some(({ name }) => name === eventTimeField)
    ? { fields, eventTimeField }
    : { fields };
}

/** Any part of the fields in any order, with or without event time. */
export function anyRequest<Options>(codec: CodecDefinition<Options>, options: Options): fc.Arbitrary<DecodeRequest> {
  const { fields, eventTimeField } = requestAll(codec, options);
  const withTime = eventTimeField === undefined ? fc.constant(false) : fc.boolean();
  return fc
    .tuple(fc.shuffledSubarray([...fields]), withTime)
    .map(([subset, hasTime]) => (hasTime ? { fields: subset, eventTimeField: eventTimeField! } : { fields: subset }));
}

/** A line with up to three bytes replaced, put in or taken out; `bytes` are those worth trying. No newline comes in. */
export function mutated(line: fc.Arbitrary<string>, bytes: string): fc.Arbitrary<string> {
  const edit = fc.record({
    at: fc.double({ min: 0, max: 1, noNaN: true }),
    kind: fc.constantFrom('replace', 'insert', 'delete', 'cut'),
    byte: fc.oneof({ weight: 3, arbitrary: fc.constantFrom(...bytes.split('')) }, { weight: 1, arbitrary: anyByte() }),
  });
  return fc.tuple(line, fc.array(edit, { minLength: 1, maxLength: 3 })).map(([text, edits]) => {
    let result = text;
    for (const { at, kind, byte } of edits) {
      const place = Math.floor(at * result.length);
      const rest = result.slice(place + (kind === 'insert' ? 0 : 1));
      if (kind === 'cut') result = result.slice(0, place);
      else result = result.slice(0, place) + (kind === 'delete' ? '' : byte) + rest;
    }
    return result;
  });
}

/** Any byte but the newline, as latin1. */
export function anyByte(): fc.Arbitrary<string> {
  return fc.integer({ min: 0, max: 254 }).map((byte) => String.fromCharCode(byte < 10 ? byte : byte + 1));
}

/** Random text of bytes, half of them from `bytes`. */
export function anyText(bytes: string, maxLength = 40): fc.Arbitrary<string> {
  return fc.string({ unit: fc.oneof(fc.constantFrom(...bytes.split('')), anyByte()), maxLength });
}
