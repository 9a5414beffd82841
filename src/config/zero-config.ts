import { resolve } from 'node:path';
import { literalPattern } from '../agent/sources/glob.ts';
import type { BlockLines } from '../codecs/codec.ts';
import { SqlParser } from '../expressions/sql-parser.ts';
import { present } from '../lib/assert.ts';
import { EXIT, OperatingError } from '../lib/errors.ts';
import { escapeText } from '../lib/escape.ts';
import { Batch, VERDICT_MALFORMED } from '../record/batch.ts';
import type { Config } from './config.ts';
import type { ConfigComponents } from './definitions.ts';
import { dataDirProblem } from './data-dir.ts';
import { describeJsonSample } from './json-sample.ts';
import { type LogSample, refusal, sampleOf } from './log-sample.ts';
import { resolveConfig } from './resolve.ts';

/** A format is believed when this share of the sample's lines are its own; the rest become dead letters. */
const BELIEVED_SHARE = 0.5;

/** So many bytes of a line are shown where its format is not known. */
const SHOWN_BYTES = 60;

/** A configuration made of log files, and what a person should know of how it was made. */
export interface MadeConfig {
  readonly config: Config;
  readonly notes: readonly string[];
}

/** A stream with its rollups as a file would say them, and what was left out. */
interface Guess {
  readonly stream: unknown;
  readonly rollups: unknown;
  readonly notes: readonly string[];
}

/**
 * A configuration made of log files: their format is found out, and the rollups are those that most people want first. It passes the same
 * checks as one that was written; a guess that does not is given up for a plainer one.
 */
export function configOfLogs(paths: readonly string[], dataDir: string, components: ConfigComponents): MadeConfig {
  const { codecs } = components;
  const problem = dataDirProblem(dataDir, process.cwd());
  if (problem !== undefined)
    throw new OperatingError(`data_dir ${dataDir} ${problem.message}`, {
      code: 'DATA_DIR',
      hint: problem.hint,
      exitCode: EXIT.usage,
    });
  const samples = paths.map(sampleOf);
  if (samples.every(({ block }) => block.lines === 0)) {
    const hint = 'its format is told from its first lines: wait for them, or write a configuration';
    throw refusal(paths.join(', '), 'has no lines yet', hint);
  }
  const codec = detectCodec(
    samples.map(({ block }) => block),
    codecs,
  );
  if (codec === undefined) throw unknownFormat(samples, codecs);
  const others = samples.length === 1 ? [] : otherFormats(samples, codec, codecs);
  for (const { stream, rollups, notes } of guesses(present(codecs[codec], `codec ${codec}`), joined(samples))) {
    const raw = {
      version: 1,
      name: 'logs',
      data_dir: dataDir,
      sources: { logs: { type: 'file', include: paths.map((path) => literalPattern(resolve(path))), stream: codec } },
      streams: { [codec]: stream },
      rollups,
    };
    const { config } = resolveConfig(raw, {
      file: null,
      folder: process.cwd(),
      document: NOWHERE,
      components,
      parser: NO_SQL,
    });
    if (config !== undefined) return { config, notes: [...notes, ...others] };
  }
  throw new OperatingError(`no tables can be made of the ${codec} lines of ${paths.map(escapeText).join(', ')}`, {
    code: 'FORMAT_UNKNOWN',
    hint: 'write a configuration that names their fields',
    exitCode: EXIT.usage,
  });
}

type Codecs = ConfigComponents['codecs'];

const POSITION = { line: 1, column: 1, length: 1 };
/** What is guessed has no expressions. */
const NO_SQL = new SqlParser();
const NOWHERE = { valueAt: () => POSITION, keyAt: () => POSITION };

/** Guesses at what is wanted of the lines, the richest first. */
function* guesses({ type, isJson }: Codecs[string], block: BlockLines): Generator<Guess> {
  if (isJson !== true) {
    yield ofAccessLog(type);
    return;
  }
  const sample = describeJsonSample(block);
  yield ofJson(sample);
  yield ofJson({ ...sample, keys: [], notes: ['no field is a key of the table: no name can be made for its column'] });
  const { timeField } = sample;
  const fields = timeField === undefined ? {} : { [timeField]: 'date' as const };
  yield ofJson({ fields, timeField, keys: [], notes: ['no field but the time is read: their names cannot be used'] });
  yield ofJson({ fields: {}, timeField: undefined, keys: [], notes: ['no field is read: their names cannot be used'] });
}

const MINUTE = { type: 'tumbling', size: '1m' };

function ofJson({ fields, timeField, keys, notes }: ReturnType<typeof describeJsonSample>): Guess {
  return {
    stream: { codec: { type: 'json', fields }, event_time: { field: timeField ?? 'read_at' } },
    rollups: { events: { from: 'json', by: keys, window: MINUTE, measures: { events: 'count' } } },
    notes,
  };
}

function ofAccessLog(codec: string): Guess {
  const measures = { requests: 'count', bytes: 'sum(http.response.body.bytes)' };
  return {
    stream: { codec: { type: codec } },
    rollups: {
      requests: { from: codec, by: ['url.path', 'http.response.status_code'], window: MINUTE, measures },
      visits: {
        from: codec,
        by: ['source.address'],
        window: { type: 'session', gap: '30m' },
        measures: { ...measures, entry: 'first(url.path)', exit: 'last(url.path)' },
      },
      clients: { from: codec, by: ['source.address'], window: { type: 'tumbling', size: '1h' }, measures },
    },
    notes: [],
  };
}

/** The codec whose decoder takes most of the lines; of equals the one listed first, which is the richer one. */
function detectCodec(blocks: readonly BlockLines[], codecs: Codecs): string | undefined {
  const lines = blocks.reduce((sum, block) => sum + block.lines, 0);
  let best: string | undefined;
  let bestCount = Math.max(1, lines * BELIEVED_SHARE) - 0.5;
  for (const codec of Object.values(codecs)) {
    const decode = codec.compile(codec.probe, { fields: [] });
    const batch = new Batch([], lines);
    let count = 0;
    for (const block of blocks) {
      decode(block, batch);
      count += batch.verdict.subarray(0, batch.length).filter((verdict) => verdict !== VERDICT_MALFORMED).length;
    }
    if (count > bestCount) {
      best = codec.type;
      bestCount = count;
    }
  }
  return best;
}

/** Files that look like something else than most of them. */
function otherFormats(samples: readonly LogSample[], codec: string, codecs: Codecs): string[] {
  return samples.flatMap(({ path, block }) => {
    const own = block.lines === 0 ? codec : detectCodec([block], codecs);
    if (own === codec) return [];
    const what = own === undefined ? `are not ${codec} lines` : `are ${own} lines`;
    return [`the first lines of ${escapeText(path)} ${what}: read as ${codec}, most become dead letters; run it alone`];
  });
}

function unknownFormat(samples: readonly LogSample[], codecs: Codecs): OperatingError {
  const { block } = samples.find(({ block: { lines } }) => lines > 0)!;
  const newline = block.bytes.indexOf(0x0a);
  const line = block.bytes.subarray(0, newline === -1 ? block.bytes.length : newline);
  const text = Buffer.from(line.subarray(0, SHOWN_BYTES)).toString('utf8');
  const shown = `${escapeText(text)}${line.length > SHOWN_BYTES ? '…' : ''}`;
  const names = Object.keys(codecs).join(', ');
  const paths = samples.map(({ path }) => escapeText(path)).join(', ');
  const lines = samples.reduce((sum, sample) => sum + sample.block.lines, 0);
  const looked = lines === 1 ? 'its first line begins' : `of the first ${lines} lines, the first begins`;
  return new OperatingError(`the format of ${paths} is not known: ${looked} "${shown}"`, {
    code: 'FORMAT_UNKNOWN',
    hint: `formats that are recognised: ${names}; for others write a configuration, or JSON, one object a line`,
    exitCode: EXIT.usage,
  });
}

/** The lines of all samples as one block. */
function joined(samples: readonly LogSample[]): BlockLines {
  const parts = samples.flatMap(({ block: { bytes } }) =>
    bytes.length === 0 || bytes.at(-1) === 0x0a ? [bytes] : [bytes, Buffer.from('\n')],
  );
  return {
    bytes: Buffer.concat(parts),
    lines: samples.reduce((sum, { block }) => sum + block.lines, 0),
    start: 0,
  };
}
