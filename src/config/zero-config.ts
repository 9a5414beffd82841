import { closeSync, openSync, readSync, statSync } from 'node:fs';
import { resolve } from 'node:path';
import { literalPattern } from '../agent/sources/glob.ts';
import { CODECS } from '../components.ts';
import { assert } from '../lib/assert.ts';
import { EXIT, OperatingError, systemErrorCode } from '../lib/errors.ts';
import { CONTENT_SAMPLE_BYTES, foreignContent } from '../lib/file-content.ts';
import type { Config } from './config.ts';
import { dataDirProblem } from './data-dir.ts';
import { describeJsonSample } from './json-sample.ts';
import { resolveConfig } from './resolve.ts';

/** So much of each file is looked at to tell its format. */
const SAMPLE_BYTES = 64 * 1024;
const SAMPLE_LINES = 200;

/** A format is believed when this share of the sample's lines are its own; the rest become dead letters. */
const BELIEVED_SHARE = 0.5;

/** A configuration made of log files: their format is found out, and the rollups are those that most people want first. */
export function configOfLogs(paths: readonly string[], dataDir: string): Config {
  const problem = dataDirProblem(dataDir, process.cwd());
  if (problem !== undefined)
    throw new OperatingError(`data_dir ${dataDir} ${problem.message}`, {
      code: 'DATA_DIR',
      hint: problem.hint,
      exitCode: EXIT.usage,
    });
  const samples = paths.map((path) => ({ path, lines: sampleLines(path) }));
  const lines = samples.flatMap((sample) => sample.lines);
  if (lines.length === 0)
    throw refusal(
      paths.join(', '),
      'has no lines yet',
      'its format is told from its first lines: wait for them, or write a configuration',
    );
  const codec = detectCodec(lines);
  if (codec === undefined) {
    const names = CODECS.map(({ type }) => type).join(', ');
    throw new OperatingError(`the format of ${paths.join(', ')} is not known`, {
      code: 'FORMAT_UNKNOWN',
      hint: `formats that are recognised: ${names}; for others write a configuration`,
      exitCode: EXIT.usage,
    });
  }
  const { stream, rollups } = describeStream(codec, lines);
  const raw = {
    version: 1,
    name: 'logs',
    data_dir: dataDir,
    sources: { logs: { type: 'file', include: paths.map((path) => literalPattern(resolve(path))), stream: codec } },
    streams: { [codec]: stream },
    rollups,
  };
  const nowhere = { line: 1, column: 1, length: 1 };
  const document = { valueAt: () => nowhere, keyAt: () => nowhere };
  const { config, problems } = resolveConfig(raw, { file: null, folder: process.cwd(), document });
  assert(config !== undefined, `a made configuration is right: ${problems.map(({ message }) => message).join('; ')}`);
  return config;
}

/** The first lines of a file. Throws with the way out for what is no file of lines. */
function sampleLines(path: string): Uint8Array[] {
  let descriptor: number;
  try {
    const stats = statSync(path);
    if (stats.isDirectory()) throw refusal(path, 'is a folder', `name files: ${path.replace(/\/+$/, '')}/*.log`);
    if (!stats.isFile())
      throw refusal(
        path,
        'is no regular file',
        'write its lines to a file first: positions of a pipe cannot be read again',
      );
    descriptor = openSync(path, 'r');
  } catch (error) {
    const code = systemErrorCode(error);
    if (code === 'ENOENT') throw refusal(path, 'does not exist', absenceHint(path));
    if (code === 'EACCES' || code === 'EPERM')
      throw refusal(path, 'cannot be read: permission denied', `see ls -l ${path}`);
    throw error;
  }
  try {
    const bytes = Buffer.alloc(SAMPLE_BYTES);
    const length = readSync(descriptor, bytes, 0, SAMPLE_BYTES, 0);
    const foreign = foreignContent(bytes.subarray(0, Math.min(length, CONTENT_SAMPLE_BYTES)));
    if (foreign !== undefined) throw refusal(path, foreign.reason, foreign.hint);
    return splitLines(bytes.subarray(0, length));
  } finally {
    closeSync(descriptor);
  }
}

function absenceHint(path: string): string {
  // What a shell gives as bytes that are no text arrives as these.
  if (path.includes('\ufffd')) return 'its name is not UTF-8: rename it, convmv shows how';
  return path.startsWith('~') ? 'a shell expands ~ only outside quotes' : 'check the path';
}

function refusal(path: string, what: string, hint: string): OperatingError {
  return new OperatingError(`${path} ${what}`, { code: 'LOG_FILE', hint, exitCode: EXIT.usage });
}

function splitLines(bytes: Uint8Array): Uint8Array[] {
  const lines: Uint8Array[] = [];
  let start = 0;
  while (start < bytes.length && lines.length < SAMPLE_LINES) {
    const newline = bytes.indexOf(0x0a, start);
    // The last line may be cut by the sample's end; alone it is better than nothing.
    if (newline === -1 && lines.length > 0) break;
    const end = newline === -1 ? bytes.length : newline;
    lines.push(bytes.subarray(start, end));
    start = end + 1;
  }
  return lines;
}

/** The codec most lines belong to; of equals the one listed first, which is the richer one. */
function detectCodec(lines: readonly Uint8Array[]): string | undefined {
  let best: string | undefined;
  let bestCount = Math.max(1, lines.length * BELIEVED_SHARE) - 0.5;
  for (const codec of CODECS) {
    const count = codec.detect(lines);
    if (count > bestCount) {
      best = codec.type;
      bestCount = count;
    }
  }
  return best;
}

/** The stream and its rollups: those most people want first. */
function describeStream(codec: string, lines: readonly Uint8Array[]): { stream: unknown; rollups: unknown } {
  const minute = { type: 'tumbling', size: '1m' };
  if (codec === 'json') {
    const { fields, timeField, timeFormat, keys } = describeJsonSample(lines);
    return {
      stream: {
        codec: { type: codec, fields, time_format: timeFormat },
        event_time: { field: timeField ?? 'read_at' },
      },
      rollups: { events: { from: codec, by: keys, window: minute, measures: { events: 'count' } } },
    };
  }
  const measures = { requests: 'count', bytes: 'sum(http.response.body.bytes)' };
  return {
    stream: { codec: { type: codec } },
    rollups: {
      requests: { from: codec, by: ['url.path', 'http.response.status_code'], window: minute, measures },
      clients: { from: codec, by: ['source.address'], window: { type: 'tumbling', size: '1h' }, measures },
    },
  };
}
