import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { crc32 } from 'node:zlib';
import { decodeBody, decodeEnvelope, encodeBody, encodeEnvelope, encodeEpoch } from '../../src/epoch/codec.ts';
import { type Epoch, type EpochBody, FATES } from '../../src/epoch/epoch.ts';
import type { ColumnData, OperatorState, RowSet } from '../../src/epoch/table.ts';
import { LINE_VERDICTS } from '../../src/record/batch.ts';
import { expectNoPrefixReads, flipped, decodedOrDamage } from '../support/damage.ts';
import { bodyOf } from '../support/epochs.ts';
import { EPOCH_V1, formatFixture } from '../support/format-samples.ts';

const count = fc.nat({ max: Number.MAX_SAFE_INTEGER });
const lane = fc.nat({ max: 2 ** 32 - 1 });
const time = fc.oneof(fc.constant(-Infinity), fc.integer(), fc.integer({ min: -(2 ** 45), max: 2 ** 45 }));
const name = fc.oneof(fc.constantFrom('a/1', 'a/2', 'traffic'), fc.string({ unit: 'grapheme' }));
const sum = fc.record({ lines: count, a: lane, b: lane });

function rowsOfLength(length: number): fc.Arbitrary<RowSet> {
  const f64 = fc
    .array(fc.double(), { minLength: length, maxLength: length })
    .map((values) => Float64Array.from(values));
  const u32 = fc.array(lane, { minLength: length, maxLength: length }).map((values) => Uint32Array.from(values));
  const texts = fc.array(fc.option(fc.string({ unit: 'grapheme' })), { minLength: length, maxLength: length });
  const column = fc.oneof(
    f64.map((values): ColumnData => ({ kind: 'number', values })),
    fc.tuple(f64, f64).map(([values, rest]): ColumnData => ({ kind: 'number', values, rest })),
    u32.map((values): ColumnData => ({ kind: 'word', values })),
    u32.map((values): ColumnData => ({ kind: 'flag', values: Uint8Array.from(values, (value) => value & 1) })),
    texts.map(textColumn),
  );
  return fc.record({ table: name, length: fc.constant(length), columns: fc.array(column, { maxLength: 6 }) });
}

const rowSets = fc.array(fc.nat({ max: 5 }).chain(rowsOfLength), { maxLength: 3 });

const states: fc.Arbitrary<OperatorState> = fc.record({
  operator: name,
  version: count,
  head: fc.dictionary(name, count),
  arrays: fc.array(
    fc.oneof(
      fc.array(fc.double()).map((values) => Float64Array.from(values)),
      fc.array(lane).map((values) => Uint32Array.from(values)),
      fc.uint8Array(),
    ),
    { maxLength: 3 },
  ),
});

function textColumn(texts: readonly (string | null)[]): ColumnData {
  const cells = texts.map((text) => Buffer.from(text ?? ''));
  const offsets = new Uint32Array(texts.length + 1);
  for (const [i, cell] of cells.entries()) offsets[i + 1] = offsets[i]! + cell.length;
  return {
    kind: 'string',
    offsets,
    bytes: new Uint8Array(Buffer.concat(cells)),
    nulls: Uint8Array.from(texts, (text) => (text === null ? 1 : 0)),
  };
}

const state = fc.constantFrom('announced', 'reading', 'caught_up', 'closed', 'unreadable', 'gap', 'forgotten');

const bodies: fc.Arbitrary<EpochBody> = fc.record({
  watermarkMs: time,
  logTimeMs: count,
  lastAppendedAtMs: count,
  agents: fc.array(
    fc.record({
      agent: name,
      numberMax: count,
      tMs: count,
      logTimeMs: count,
      hasEnded: fc.boolean(),
      fullBeatOffset: fc.option(count),
    }),
  ),
  sources: fc.array(
    fc.record({
      source: name,
      identity: name,
      path: name,
      origin: count,
      position: count,
      tail: name,
      state,
      eventTimeMsMax: fc.option(fc.integer()),
      quietSinceMs: count,
      gapEnd: fc.option(count),
      agentSum: fc.option(sum),
      possibleLossBytes: count,
      possibleDoubleBytes: count,
    }),
  ),
  ledger: fc.array(fc.record({ source: name, consumer: name, fate: fc.constantFrom(...FATES), reason: name, sum })),
  upserts: rowSets,
  removes: rowSets,
  state: fc.array(states, { maxLength: 2 }),
  late: fc.array(
    fc.record(
      {
        source: name,
        offset: count,
        eventTimeMs: fc.integer(),
        rollup: name,
        windowStartMs: fc.integer(),
        windowEndMs: fc.integer(),
        isPart: fc.constant(true),
        watermarkMs: time,
        key: fc.array(fc.option(fc.string({ unit: 'grapheme' })), { maxLength: 3 }),
      },
      {
        requiredKeys: [
          'source',
          'offset',
          'eventTimeMs',
          'rollup',
          'windowStartMs',
          'windowEndMs',
          'watermarkMs',
          'key',
        ],
      },
    ),
  ),
  deadLetters: fc.array(
    fc.record({
      source: name,
      offset: count,
      reason: fc.constantFrom(...LINE_VERDICTS.map((verdict) => verdict.reason), 'rejected'),
      path: name,
      detail: fc.string({ unit: 'grapheme' }),
      bytes: fc.uint8Array(),
      isCut: fc.boolean(),
      lengthBytes: count,
    }),
  ),
  refusals: fc.array(
    fc.record({
      rawOffset: count,
      source: name,
      reason: fc.constantFrom('gap', 'hole', 'damaged'),
      start: count,
      end: count,
    }),
  ),
  pipeline: fc.constantFrom(null, EPOCH_V1.body.pipeline),
  fingerprints: fc.dictionary(fc.stringMatching(/^[a-z]{1,5}$/), name),
  rollupSinceMs: fc.dictionary(fc.stringMatching(/^[a-z]{1,5}$/), fc.integer()),
  historyFrom: fc.option(count),
});

/** The value of an epoch's messages in one piece, at a place in memory that is no multiple of 8. */
function joined(messages: readonly { value: Uint8Array }[], shift = 0): Buffer {
  return Buffer.concat([Buffer.alloc(shift), ...messages.map((message) => message.value)]).subarray(shift);
}

describe('the body of an epoch', () => {
  test('comes back with every field, through parts of any size, wherever they lie', () => {
    fc.assert(
      fc.property(
        bodies,
        fc.oneof(fc.integer({ min: 1, max: 400 }), fc.constant(4 * 1024 * 1024)),
        fc.nat({ max: 8 }),
        (body, partBytesMax, shift) => {
          const messages = encodeEpoch({ ...EPOCH_V1, body }, partBytesMax);
          expect(messages.every((message) => message.value.length <= partBytesMax)).toBe(true);
          expect(plain(decodeBody(joined(messages, shift)))).toEqual(plain(body));
        },
      ),
      { seed: 9, numRuns: 150 },
    );
  });

  test('of the first version is read for ever', () => {
    expect(plain(decodeBody(formatFixture('epoch-v1.bin')))).toEqual(plain(EPOCH_V1.body));
  });

  test('with any of 2,000 bits turned is refused', () => {
    const bytes = encodeBody(EPOCH_V1.body);
    const step = Math.floor((bytes.length * 8) / 2000);
    for (let bit = 0; bit < bytes.length * 8; bit += step) {
      expect(decodedOrDamage(decodeBody, flipped(bytes, bit))).toBeInstanceOf(RangeError);
    }
  });

  test('that is cut short is refused', () => {
    expectNoPrefixReads(decodeBody, encodeBody(bodyOf({})));
  });

  test('of a newer version is one clear error', () => {
    const newer = Buffer.from(encodeBody(EPOCH_V1.body));
    newer[1] = 2;
    newer.writeUInt32LE(crc32(newer.subarray(0, -4)), newer.length - 4);
    expect(() => decodeBody(newer)).toThrow(expect.objectContaining({ code: 'FORMAT_NEWER' }));
  });

  test('whose columns have not one length is a bug of its writer', () => {
    const [rows] = EPOCH_V1.body.upserts;
    const columns = [...rows!.columns.slice(1), { kind: 'word', values: new Uint32Array(1) } as const];
    const broken = { ...EPOCH_V1.body, upserts: [{ ...rows!, columns }] };
    expect(() => encodeBody(broken)).toThrow('BUG');
  });
});

describe('the envelope of an epoch', () => {
  test('comes back, and stands on every part', () => {
    const messages = encodeEpoch(EPOCH_V1, 1900);
    expect(messages.length).toBe(3);
    expect(messages.map((message) => message.kind)).toEqual(['part', 'part', 'epoch']);
    const envelopes = messages.map((message) => decodeEnvelope(message.header));
    expect(envelopes).toEqual([0, 1, 2].map((part) => ({ ...EPOCH_V1.envelope, part, parts: 3 })));
  });

  test('of the first version is read for ever', () => {
    expect(decodeEnvelope(formatFixture('epoch-envelope-v1.bin'))).toEqual(EPOCH_V1.envelope);
  });

  test('of a newer version is one clear error, and damage is damage', () => {
    const bytes = encodeEnvelope(EPOCH_V1.envelope);
    expectNoPrefixReads(decodeEnvelope, bytes);
    const newer = Uint8Array.from(bytes);
    newer[1] = 2;
    expect(() => decodeEnvelope(newer)).toThrow(expect.objectContaining({ code: 'FORMAT_NEWER' }));
    const without: Partial<Epoch['envelope']> = { ...EPOCH_V1.envelope };
    delete (without as { prev?: string }).prev;
    expect(() => decodeEnvelope(encodeEnvelope(without as Epoch['envelope']))).toThrow(RangeError);
  });

  test('an epoch of the least body is one message', () => {
    const messages = encodeEpoch({ ...EPOCH_V1, body: bodyOf({}) });
    expect(messages.map((message) => message.kind)).toEqual(['epoch']);
  });
});

/** As it is compared: arrays without the memory they lie in, negative zero of a time as zero. */
function plain(body: EpochBody): unknown {
  return JSON.parse(
    JSON.stringify(body, (_key, value: unknown) => {
      if (ArrayBuffer.isView(value)) return Array.from(value as Float64Array, String);
      return typeof value === 'number' ? String(value) : value;
    }),
  );
}
