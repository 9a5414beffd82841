import { z } from 'zod';
import type { CodecDefinition } from '../../src/codecs/codec.ts';
import { type Cell, interpretLines, type LineRecord } from '../../src/codecs/lines.ts';

const SPACE = 0x20;
const FIELDS = { time: 'date', key: 'keyword', value: 'long' } as const;

/** The simplest codec a simulation can do with: `time key value`, time in milliseconds, `-` for a NULL key. */
export const plain: CodecDefinition<Record<string, never>> = {
  type: 'plain',
  summary: 'For tests: time, key and value, separated by one space.',
  options: z.strictObject({}),
  fields: () => FIELDS,
  defaultEventTimeField: 'time',
  compile: (_, request) => (lines, batch) => interpretLines(lines, batch, request, parse),
  interpret: (_, request) => (lines, batch) => interpretLines(lines, batch, request, parse),
  explain: () => (line) => {
    const isRead = parse(Buffer.from(line), 0, line.length) !== undefined;
    return isRead ? undefined : { field: 'value', column: line.length + 1, problem: 'expected three words' };
  },
  probe: {},
  examples: [{ title: 'a line', options: {}, line: '1000 a 7', record: { time: 1000, key: 'a', value: 7 } }],
};

function parse(bytes: Buffer, start: number, end: number): LineRecord {
  const first = bytes.indexOf(SPACE, start);
  const second = bytes.indexOf(SPACE, first + 1);
  if (first < start || second < 0 || second >= end) return undefined;
  const key: Cell = second === first + 2 && bytes[first + 1] === 0x2d ? null : [first + 1, second];
  return new Map<string, Cell>([
    ['time', Number(bytes.toString('latin1', start, first))],
    ['key', key],
    ['value', Number(bytes.toString('latin1', second + 1, end))],
  ]);
}
