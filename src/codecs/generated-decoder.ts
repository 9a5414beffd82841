import type { Batch } from '../record/batch.ts';
import type { BlockLines, DecodeRequest, Decoder } from './codec.ts';
import { type LineParser, asBuffer, damagedBlock, fillRow, interpretLines, setBounds, textStart } from './lines.ts';

/** What a codec generates; the loop over the block's lines, the same for all, is put around it. */
export interface GeneratedParts {
  /** Functions the text calls, by name. */
  readonly tools: Readonly<Record<string, unknown>>;
  /** Functions beside the loop. */
  readonly functions?: string;
  /** Statements before the first line; `bytes`, `view`, `batch` and `limit` are there. */
  readonly prepare: string;
  /**
   * Statements that decode the line at `at` into `row`: they leave `at` on the newline and `timeMs` at the event time, or
   * leave by `break line` where the line is malformed. They must stop at the newline, which is always there.
   */
  readonly line: string;
}

type Loop = (block: BlockLines, batch: Batch, bytes: Buffer, view: DataView) => void;

/**
 * The fast decoder of a codec: one loop over a block, generated for one request. Its text is made of constants, column numbers
 * and numbers made from names, never of words from outside. What is rare goes to the plain reading `parse`: a last line
 * without newline, and blocks whose lines may hold newlines.
 */
export function generateDecoder(request: DecodeRequest, parse: LineParser, parts: GeneratedParts): Decoder {
  const interpretRow = (block: BlockLines, bytes: Buffer, batch: Batch, row: number, start: number): void => {
    setBounds(block, batch, row, start, bytes.length);
    fillRow(batch, row, request, parse(bytes, batch.lineStart[row]!, batch.lineEnd[row]!));
  };
  const tools = { ...parts.tools, setBounds, textStart, damagedBlock, interpretRow };
  const text = loopSource(Object.keys(tools), parts, request.eventTimeField !== undefined);
  // oxlint-disable-next-line typescript/no-implied-eval -- see above for what the text is made of
  const build = new Function('tools', text) as (tools: object) => Loop;
  const loop = build(tools);
  return (block, batch) => {
    if (block.lengths !== undefined) return interpretLines(block, batch, request, parse);
    const { bytes } = block;
    batch.reset(bytes, block.lines);
    loop(block, batch, asBuffer(bytes), new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength));
    batch.length = block.lines;
  };
}

function loopSource(toolNames: readonly string[], parts: GeneratedParts, hasEventTime: boolean): string {
  return `'use strict';
const { ${toolNames.join(', ')} } = tools;
${parts.functions ?? ''}
return function decode(block, batch, bytes, view) {
  const { lines, offsets, start: base } = block;
  const { lineStart, lineEnd, lineOffset, eventTimeMs, verdict } = batch;
  const limit = bytes.lastIndexOf(10) + 1;
  const whole = limit < bytes.length ? lines - 1 : lines;
  if (whole < 0) throw damagedBlock(lines);
  ${parts.prepare}
  let next = 0;
  for (let row = 0; row < whole; row++) {
    const start = next;
    if (start >= limit) throw damagedBlock(lines);
    line: {
      let at = start, timeMs = NaN;
      if (bytes[start] === 239) at = textStart(bytes, start, limit);
      const begin = at;
      ${parts.line}
      if (bytes[at] !== 10) break line;
      next = at + 1;
      lineStart[row] = begin;
      lineEnd[row] = bytes[at - 1] === 13 ? at - 1 : at;
      lineOffset[row] = offsets === undefined ? base + start : offsets[row];
      ${hasEventTime ? 'eventTimeMs[row] = timeMs;' : ''}
      verdict[row] = ${hasEventTime ? 'timeMs === timeMs ? 0 : 2' : '0'};
      continue;
    }
    const newline = bytes.indexOf(10, start);
    next = newline + 1;
    setBounds(block, batch, row, start, newline);
    ${hasEventTime ? 'eventTimeMs[row] = NaN;' : ''}
    verdict[row] = 1;
  }
  if (next !== limit) throw damagedBlock(lines);
  if (whole < lines) interpretRow(block, bytes, batch, whole, next);
};`;
}
