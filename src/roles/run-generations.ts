import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Log, epochTopic } from '../broker/broker.ts';
import { type Config, isShared } from '../config/config.ts';
import type { DataDir } from '../config/data-dir.ts';
import { type RunGeneration, runGeneration } from '../engine/run-generation.ts';
import { canonicalJson } from '../epoch/fingerprint.ts';
import type { Pipeline } from '../epoch/pipeline.ts';
import { EXIT, OperatingError, systemErrorCode } from '../lib/errors.ts';
import { hash64 } from '../lib/hash.ts';
import type { Components } from './definitions.ts';
import { sinkEpochs } from './sink-readers.ts';

/** What a run brings to the partitions that it shares with other hosts. */
export interface RunGenerations {
  readonly pipeline: number;
  /** By sink and stream: each stream of a document sink is a pipeline of its own. */
  readonly documents: Readonly<Record<string, Readonly<Record<string, number>>>>;
}

/** What the last run of this host brought, by what it is of. */
type Brought = Readonly<Record<string, { readonly pipeline: string; readonly generation: number }>>;

const FILE = 'pipeline-generations.json';
const ROLLUPS = 'rollups';

/**
 * Finds out at the start of a run which generations it brings; undefined for a host alone, which needs none. A file that this host has brought
 * before, and that the log has gone past, is an old one, and not a wish to go back: SUPERSEDED.
 */
export async function bringGenerations(
  log: Log,
  config: Config,
  components: Components,
  dataDir: DataDir,
): Promise<RunGenerations | undefined> {
  if (!isShared(config)) return undefined;
  const path = join(dataDir.root, FILE);
  const before = readBrought(path);
  const now: Record<string, Brought[string]> = {};
  const bring = async (name: string, pipeline: Pipeline, topicOf: (stream: string) => string): Promise<number> => {
    const found = await runGeneration(log, pipeline, topicOf);
    const hash = hash64(canonicalJson(pipeline));
    const last = before[name];
    if (last?.pipeline === hash && last.generation < found.newest && found.generation > found.newest) {
      throw oldFileError(path, last.generation, found);
    }
    now[name] = { pipeline: hash, generation: found.generation };
    return found.generation;
  };
  const { topicPrefix } = config.broker;
  const { name } = config.pipeline;
  const pipeline = await bring(ROLLUPS, config.pipeline, (stream) => epochTopic(topicPrefix, name, stream));
  const documents: Record<string, Record<string, number>> = {};
  for (const { sink, stream, topic, pipeline: own } of sinkEpochs(config, components)) {
    (documents[sink] ??= {})[stream] = await bring(`${sink}/${stream}`, own, () => topic);
  }
  writeFileSync(`${path}.new`, `${JSON.stringify(now)}\n`);
  renameSync(`${path}.new`, path);
  return { pipeline, documents };
}

function readBrought(path: string): Brought {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as Brought;
  } catch (error) {
    // Lost or spoiled: then an old file cannot be told from a wish to go back.
    if (systemErrorCode(error) === 'ENOENT' || error instanceof SyntaxError) return {};
    throw error;
  }
}

function oldFileError(path: string, generation: number, { newest }: RunGeneration): OperatingError {
  return new OperatingError(
    `this pipeline is older than the one in the log: it was brought as generation ${generation}, and another host has brought ${newest}`,
    {
      code: 'SUPERSEDED',
      exitCode: EXIT.superseded,
      hint: `start it with the configuration that is in use; to go back to this one, stop the other hosts and delete ${path}`,
    },
  );
}
