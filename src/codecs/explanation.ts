import { textOf } from '../lib/text.ts';

/** Why a line could not be read, for people. */
export interface Explanation {
  /** The field that could not be read; '' where the line breaks outside of any. */
  readonly field: string;
  /** Where it broke: a byte of the line, from 1 to one past its last. Undefined where the field is missing. */
  readonly column: number | undefined;
  /** What was expected and what stands there, unescaped. */
  readonly problem: string;
}

/** Explains a line that its decoder refuses; undefined for one it takes. Slow, and linear in the line: for the few that are shown. */
export type LineExplainer = (line: Uint8Array) => Explanation | undefined;

/** How much is shown of what stands at a column, and of a value that is not a time. */
const PIECE_BYTES = 20;
export const VALUE_BYTES = 60;

/** That at `at`, an index in the line as latin1 text, something else was expected. */
export function expected(field: string, line: string, at: number, what: string): Explanation {
  return { field, column: at + 1, problem: `expected ${what}, found ${foundAt(line, at)}` };
}

function foundAt(line: string, at: number): string {
  if (at >= line.length) return 'the end of the line';
  const blank = line.indexOf(' ', at + 1);
  return `'${cutBytes(line.slice(at, blank < 0 ? undefined : blank), PIECE_BYTES)}'`;
}

/** The text of bytes, given as latin1, cut to `max` of them between two characters. */
export function cutBytes(latin1: string, max: number): string {
  let end = max;
  while (end > max - 4 && latin1.length > max && /[\x80-\xbf]/.test(latin1[end]!)) end--;
  const text = textOf(Buffer.from(latin1.slice(0, end), 'latin1'));
  return latin1.length > max ? `${text}…` : text;
}
