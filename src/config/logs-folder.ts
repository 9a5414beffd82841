import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { z } from 'zod';
import type { RollupSpec, StreamSpec } from '../epoch/pipeline.ts';
import { present } from '../lib/assert.ts';
import { EXIT, OperatingError, systemErrorCode } from '../lib/errors.ts';
import type { Config, InputConfig } from './config.ts';
import type { ConfigComponents } from './definitions.ts';
import { tablesOf } from './tables.ts';

/** A log that a folder of runs without a configuration has: its files, and what was made of them when they first came. */
interface KnownLog {
  readonly files: readonly string[];
  readonly stream: string;
  readonly spec: StreamSpec;
  readonly rollups: Readonly<Record<string, RollupSpec>>;
}

const FILE = 'logs.json';
const VERSION = 1;
/** Each is a stream of its own, with a task in the engine: more of them than a person tries in one folder. */
const LOGS_MAX = 64;
const SUFFIX_LENGTH_MAX = 24;

/** What a folder makes of the configuration of one run. */
export interface PlacedConfig {
  /** With the streams and tables of every log of the folder; its inputs are those of this run alone. */
  readonly config: Config;
  /** Tables of the other logs. */
  readonly others: readonly string[];
  /** Writes down that the folder has this log, once the folder is ours. */
  readonly remember: () => void;
}

/**
 * Finds the place of a configuration made of log files in its folder. Files that came before, or whose names differ from theirs only by what
 * rotation adds, go on in the tables that were made for them, whatever their first lines would be guessed to be today. Any other log gets a
 * stream of its own, and so a clock of its own: one archive after the other makes no line late.
 */
export function placeInFolder(made: Config, components: ConfigComponents): PlacedConfig {
  const logs = readLogs(made.dataDir);
  const inputs = made.inputs as readonly (InputConfig & { readonly include?: readonly string[] })[];
  const files = inputs.flatMap(({ include = [] }) => include);
  const [madeStream, spec] = present(Object.entries(made.pipeline.streams)[0], 'a made configuration has a stream');
  const known = logs.findLast((log) => isLogOf(log, files) && fits(log, spec));
  if (known === undefined && logs.length >= LOGS_MAX) throw fullError(made.dataDir);
  const own = known ?? newLog({ files, stream: madeStream, spec, rollups: made.pipeline.rollups }, logs);
  const all = [own, ...logs.filter((log) => log !== known)];
  const streams = Object.fromEntries(all.map((log) => [log.stream, log.spec]));
  const rollups = Object.fromEntries(all.flatMap((log) => Object.entries(log.rollups)));
  return {
    config: {
      ...made,
      inputs: inputs.map((input) => ({ ...input, stream: own.stream })),
      pipeline: { ...made.pipeline, streams, rollups, tables: tablesOf(rollups, components) },
    },
    others: Object.keys(rollups).filter((name) => !Object.hasOwn(own.rollups, name)),
    remember: () => {
      const log = { ...own, files: [...new Set([...own.files, ...files])] };
      const after = known === undefined ? [...logs, log] : logs.map((one) => (one === known ? log : one));
      writeLogs(made.dataDir, after);
    },
  };
}

function isLogOf(log: KnownLog, files: readonly string[]): boolean {
  const stems = new Set(log.files.map(stemOf));
  return files.some((file) => stems.has(stemOf(file)));
}

/** Whether lines like these can go where the log's went: the same codec and clock, and every key of its tables is there. */
function fits(log: KnownLog, { codec, eventTime }: StreamSpec): boolean {
  if (log.spec.codec.type !== codec.type || log.spec.eventTime.field !== eventTime.field) return false;
  const { fields } = codec as { readonly fields?: Readonly<Record<string, unknown>> };
  const keys = Object.values(log.rollups).flatMap(({ by }) => by);
  return fields === undefined || keys.every(({ field }) => Object.hasOwn(fields, field));
}

/** A path without what rotation adds: `.1`, `-20261130`, `.2026-11-30`, `.gz`. */
function stemOf(path: string): string {
  const name = basename(path)
    .replace(/\.(?:gz|bz2|xz|zst)$/, '')
    .replaceAll(/[-._]?(?:19|20)\d\d(?:[-._]?\d\d){2}(?:[-._T]?\d\d){0,3}/g, '')
    .replace(/(?<=.)\.\d+$/, '');
  return join(dirname(path), name === '' ? basename(path) : name);
}

/** The names it was made with, or, where another log has them, with its file's name or a number behind. */
function newLog(log: KnownLog, logs: readonly KnownLog[]): KnownLog {
  const streams = new Set(logs.map(({ stream }) => stream));
  const tables = new Set(logs.flatMap(({ rollups }) => Object.keys(rollups)));
  for (const suffix of suffixesOf(log.files[0] ?? '')) {
    const stream = `${log.stream}${suffix}`;
    const renamed = Object.entries(log.rollups).map(
      ([name, rollup]) => [`${name}${suffix}`, { ...rollup, from: stream }] as const,
    );
    if (streams.has(stream) || renamed.some(([name]) => tables.has(name))) continue;
    return { ...log, stream, rollups: Object.fromEntries(renamed) };
  }
  return log;
}

function* suffixesOf(path: string): Generator<string> {
  yield '';
  const name = basename(stemOf(path))
    .replace(/\.[a-z]+$/i, '')
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '_')
    .slice(0, SUFFIX_LENGTH_MAX)
    .replaceAll(/^_+|_+$/g, '');
  const base = name === '' ? '' : `_${name}`;
  if (base !== '') yield base;
  for (let n = 2; ; n++) yield `${base}_${n}`;
}

const logsFile = z.object({
  version: z.literal(VERSION),
  logs: z.array(
    z.object({
      files: z.array(z.string()),
      stream: z.string(),
      spec: z.custom<StreamSpec>((value) => typeof value === 'object' && value !== null),
      rollups: z.record(
        z.string(),
        z.custom<RollupSpec>((value) => typeof value === 'object' && value !== null),
      ),
    }),
  ),
});

function readLogs(dataDir: string): readonly KnownLog[] {
  const path = join(dataDir, FILE);
  try {
    return logsFile.parse(JSON.parse(readFileSync(path, 'utf8'))).logs;
  } catch (error) {
    const code = systemErrorCode(error);
    if (code === 'ENOENT' || code === 'ENOTDIR') return [];
    throw new OperatingError(`${path} cannot be read: ${code ?? 'it is damaged, or of another version'}`, {
      code: 'DATA_DIR',
      hint: 'restore it, or begin again with another --data-dir',
      exitCode: EXIT.config,
      cause: error,
    });
  }
}

function writeLogs(dataDir: string, logs: readonly KnownLog[]): void {
  const path = join(dataDir, FILE);
  writeFileSync(`${path}.new`, `${JSON.stringify({ version: VERSION, logs })}\n`, { mode: 0o600 });
  renameSync(`${path}.new`, path);
}

function fullError(dataDir: string): OperatingError {
  return new OperatingError(`${dataDir} has ${LOGS_MAX} logs already`, {
    code: 'LOGS_MAX',
    hint: 'keep this one in another folder: --data-dir; or write a configuration that names what you need',
    exitCode: EXIT.usage,
  });
}
