import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { linesFrom } from '../../src/engine/block-lines.ts';
import { Batch } from '../../src/record/batch.ts';
import type { BlockHeader } from '../../src/record/block.ts';
import { plain } from '../support/plain-codec.ts';

interface TextLine {
  readonly text: string;
  /** Bytes of the file behind the line that are in no block: the rest of a line that was cut. */
  readonly hole: number;
}

interface Block {
  readonly header: BlockHeader;
  readonly value: Uint8Array;
  readonly lines: readonly { readonly offset: number; readonly text: string }[];
}

/** A block of these lines at `start`, as an agent would frame it. */
function blockOf(
  texts: readonly TextLine[],
  start: number,
  kind: 'contiguous' | 'offsets' | 'lengths' | 'both',
  isTerminated: boolean,
): Block {
  const hasHoles = kind === 'offsets' || kind === 'both';
  const hasOffsets = hasHoles;
  const hasLengths = kind === 'lengths' || kind === 'both';
  let at = start;
  const lines = texts.map(({ text, hole }) => {
    const line = { offset: at, text: hasLengths ? text : text.replaceAll('\n', ' ') };
    at += Buffer.byteLength(line.text) + 1 + (hasHoles ? hole : 0);
    return line;
  });
  const value = Buffer.from(lines.map((line) => line.text).join('\n') + (isTerminated ? '\n' : ''));
  const header = {
    source: 'a/1',
    identity: 'file',
    origin: 0,
    prev: start,
    start,
    end: hasOffsets ? at : start + value.length,
    tail: '',
    endTail: '',
    lines: lines.length,
    readAtMs: 0,
    ...(hasOffsets ? { offsets: lines.map((line) => line.offset) } : {}),
    ...(hasLengths ? { lengths: lines.map((line) => Buffer.byteLength(line.text)) } : {}),
  };
  return { header, value, lines };
}

function decode(block: Block, from: number): { offset: number; text: string }[] {
  const batch = new Batch([]);
  plain.compile({}, { fields: [] })(linesFrom(block.header, block.value, from), batch);
  return Array.from({ length: batch.length }, (_, i) => ({
    offset: batch.lineOffset[i]!,
    text: Buffer.from(batch.lineBytes(i)).toString(),
  }));
}

describe('the lines of a block', () => {
  test('from any of its lines on are those lines, where they were, whatever the framing', () => {
    // A text that ends in a carriage return would lose it, and an empty last line without a newline is none.
    const text = fc.stringMatching(/^[a-z é\n]{0,8}x$/);
    const lines = fc.array(fc.record({ text, hole: fc.nat({ max: 50 }) }), { minLength: 1, maxLength: 12 });
    const kinds = fc.constantFrom('contiguous' as const, 'offsets' as const, 'lengths' as const, 'both' as const);
    fc.assert(
      fc.property(
        lines,
        fc.nat({ max: 2 ** 40 }),
        kinds,
        fc.boolean(),
        fc.nat({ max: 12 }),
        (texts, start, kind, isTerminated, skip) => {
          const block = blockOf(texts, start, kind, isTerminated);
          expect(decode(block, 0)).toEqual(block.lines);
          expect(decode(block, start)).toEqual(block.lines);
          const first = skip % block.lines.length;
          expect(decode(block, block.lines[first]!.offset)).toEqual(block.lines.slice(first));
        },
      ),
      { seed: 12, numRuns: 500 },
    );
  });

  test('from the middle of a line that was cut on, nothing is left of it', () => {
    const block = blockOf([{ text: 'abc', hole: 100 }], 0, 'offsets', false);
    expect(decode(block, 50)).toEqual([]);
    const two = blockOf(
      [
        { text: 'abc', hole: 100 },
        { text: 'def', hole: 0 },
      ],
      0,
      'offsets',
      true,
    );
    expect(decode(two, 50)).toEqual([{ offset: 104, text: 'def' }]);
  });

  test('from the middle of an unterminated line that grew on are its bytes from there', () => {
    const block = blockOf([{ text: 'abcdef', hole: 0 }], 10, 'contiguous', true);
    expect(decode(block, 13)).toEqual([{ offset: 13, text: 'def' }]);
  });

  test('of a block whose value has not the length its header says are damage', () => {
    const { header, value } = blockOf([{ text: 'abc', hole: 0 }], 0, 'contiguous', true);
    expect(() => linesFrom({ ...header, end: 1000 }, value, 0)).toThrow(RangeError);
    expect(() => linesFrom(header, value.subarray(1), 0)).toThrow(RangeError);
  });
});
