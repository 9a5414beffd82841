export interface PlainLine {
  readonly offset: number;
  /** Its bytes as latin1, without what ends it. */
  readonly text: string;
  /** A newline or a hole ends it, not the end of all. */
  readonly isTerminated: boolean;
}

/**
 * The lines of a file by one regular expression: runs of what is neither newline nor zero byte, and the empty line between two newlines.
 * It shares nothing with the agent's framing or the audit's count but this definition.
 */
export function plainLines(bytes: Uint8Array): PlainLine[] {
  const latin1 = Buffer.from(bytes).toString('latin1');
  // oxlint-disable-next-line no-control-regex
  return Array.from(latin1.matchAll(/[^\n\0]+|(?<=^|\n)(?=\n)/g), ({ 0: text, index: offset }) => ({
    offset,
    text,
    isTerminated: offset + text.length < latin1.length,
  }));
}
