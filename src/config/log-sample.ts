import { closeSync, openSync, readSync, statSync } from 'node:fs';
import type { BlockLines } from '../codecs/codec.ts';
import { EXIT, OperatingError, systemErrorCode } from '../lib/errors.ts';
import { CONTENT_SAMPLE_BYTES, foreignContent } from '../lib/file-content.ts';

/** How much of each file is read to tell its format; up to the larger size where the first part holds no whole line. */
const SAMPLE_BYTES = 64 * 1024;
const SAMPLE_BYTES_MAX = 1024 * 1024;
const SAMPLE_LINES = 200;

const NEWLINE = 0x0a;
const BYTE_ORDER_MARK = Buffer.from([0xef, 0xbb, 0xbf]);

/** The first lines of a file, as a decoder takes them. */
export interface LogSample {
  readonly path: string;
  readonly block: BlockLines;
}

/** Reads the first lines of a file. Throws, with the way out, for anything that is not a file of lines. */
export function sampleOf(path: string): LogSample {
  const bytes = firstBytes(path);
  const foreign = foreignContent(bytes.subarray(0, CONTENT_SAMPLE_BYTES));
  if (foreign !== undefined) throw refusal(path, foreign.reason, foreign.hint);
  const hasMark = bytes.subarray(0, 3).equals(BYTE_ORDER_MARK);
  return { path, block: wholeLines(hasMark ? bytes.subarray(3) : bytes) };
}

export function refusal(path: string, what: string, hint: string): OperatingError {
  return new OperatingError(`${path} ${what}`, { code: 'LOG_FILE', hint, exitCode: EXIT.usage });
}

function firstBytes(path: string): Buffer {
  const descriptor = openLog(path);
  try {
    for (let sizeBytes = SAMPLE_BYTES; ; sizeBytes = SAMPLE_BYTES_MAX) {
      const bytes = Buffer.alloc(sizeBytes);
      const length = readSync(descriptor, bytes, 0, sizeBytes, 0);
      const read = bytes.subarray(0, length);
      if (length < sizeBytes || sizeBytes === SAMPLE_BYTES_MAX || read.includes(NEWLINE)) return read;
    }
  } finally {
    closeSync(descriptor);
  }
}

function openLog(path: string): number {
  try {
    const stats = statSync(path);
    if (stats.isDirectory()) throw refusal(path, 'is a folder', `name files: ${path.replace(/\/+$/, '')}/*.log`);
    if (!stats.isFile()) {
      const hint = 'write its lines to a file first: positions of a pipe cannot be read again';
      throw refusal(path, 'is not a regular file', hint);
    }
    return openSync(path, 'r');
  } catch (error) {
    const code = systemErrorCode(error);
    if (code === 'ENOENT') throw refusal(path, 'does not exist', absenceHint(path));
    if (code === 'EACCES' || code === 'EPERM')
      throw refusal(path, 'cannot be read: permission denied', `see ls -l ${path}`);
    throw error;
  }
}

function absenceHint(path: string): string {
  // Bytes on a command line that are not text arrive as these.
  if (path.includes('\ufffd')) return 'its name is not UTF-8: rename it, convmv shows how';
  return path.startsWith('~') ? 'a shell expands ~ only outside quotes' : 'check the path';
}

/** The last line may be cut by the sample's end; alone it is better than nothing. */
function wholeLines(bytes: Buffer): BlockLines {
  let end = 0;
  let lines = 0;
  while (lines < SAMPLE_LINES) {
    const newline = bytes.indexOf(NEWLINE, end);
    if (newline === -1) break;
    end = newline + 1;
    lines++;
  }
  if (lines === 0 && bytes.length > 0) return { bytes, lines: 1, start: 0 };
  return { bytes: bytes.subarray(0, end), lines, start: 0 };
}
