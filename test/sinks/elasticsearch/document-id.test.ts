import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { documentId, sourcePart, writeOffsetPart } from '../../../src/sinks/elasticsearch/document-id.ts';

const AGENT = '11c3bf69-c9d2-4791-9c52-239132814ab5';
const sources = fc.oneof(
  fc.tuple(fc.uuid(), fc.nat({ max: 2 ** 31 - 1 })).map(([agent, number]) => `${agent}/${number}`),
  fc.tuple(fc.string({ minLength: 1, maxLength: 20 }), fc.nat()).map(([topic, partition]) => `${topic}/${partition}`),
);
const offsets = fc.integer({ min: 0, max: 2 ** 48 - 1 });

test('an id is the same for ever: this one was made by the first version', () => {
  expect(documentId(`${AGENT}/1`, 506_978)).toBe('EcO_acnSR5GcUiORMoFKtQAAAAABAAAAB7xi');
  expect(documentId('kafka:orders/3', 7)).toMatch(/^[\w-]{36}$/);
});

test('another source or another offset has another id', () => {
  fc.assert(
    fc.property(sources, sources, offsets, offsets, (left, right, from, to) => {
      const isSame = left === right && from === to;
      expect(documentId(left, from) === documentId(right, to)).toBe(isSame);
    }),
  );
});

test('the hot path writes the same as the plain function', () => {
  fc.assert(
    fc.property(sources, offsets, (source, offset) => {
      const out = Buffer.alloc(8);
      writeOffsetPart(out, 0, offset);
      expect(sourcePart(source) + out.toString('latin1')).toBe(documentId(source, offset));
    }),
  );
});
