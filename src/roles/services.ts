import { renameSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Log } from '../broker/broker.ts';
import type { Config, SinkConfig } from '../config/config.ts';
import type { DataDir } from '../config/data-dir.ts';
import { pipelineTopics } from '../engine/task-kind.ts';
import { readRunning } from '../sinks/duckdb/query-journal.ts';
import { QUERY_SIGNAL } from '../sinks/duckdb/watchdog.ts';
import type { Exit, Service } from '../supervisor/service.ts';
import type { RunGenerations } from './run-generations.ts';
import type { RunEnd } from './run-end.ts';
import { sinkReaders, sinkTopics } from './sink-readers.ts';

/** The program that roles are started from: this one. */
export const PROGRAM = fileURLToPath(
  new URL(import.meta.url.endsWith('.ts') ? '../main.ts' : '../main.js', import.meta.url),
);

export interface RunTerms extends RunEnd {
  /** Where other hosts share the partitions. */
  readonly generations: RunGenerations | undefined;
}

/** The roles of one machine, in the order they start. */
export function servicesOf(config: Config, dataDir: DataDir, { isOnce, closesAll, generations }: RunTerms): Service[] {
  const resolved = ['--resolved', dataDir.resolvedConfig];
  const once = isOnce ? ['--once'] : [];
  const close = closesAll ? ['--close'] : [];
  const brought = generations === undefined ? [] : ['--generation', String(generations.pipeline)];
  const ofDocuments = (sink: string): string[] =>
    Object.entries(generations?.documents[sink] ?? {}).flatMap(([stream, generation]) => [
      '--document-generation',
      `${stream}=${generation}`,
    ]);
  return [
    { name: 'agent', args: ['agent', ...resolved, ...once, ...close], canFinish: isOnce },
    ...enginesOf(config).map(({ name, worker }) => ({
      name,
      // Only `run` may bring a changed pipeline: a role alone must not switch the log under others.
      args: ['engine', ...resolved, ...once, ...worker, '--may-switch', ...brought],
      canFinish: false,
    })),
    ...Object.entries(config.sinks).flatMap(([sink, options]) => replicaOf(sink, options, resolved, dataDir)),
    ...Object.entries(config.sinks).map(([sink, { type }]) => ({
      name: `sink ${sink}`,
      args: [
        'sink',
        sink,
        ...resolved,
        ...(type === 'duckdb' ? [] : [...once, '--may-switch', ...brought, ...ofDocuments(sink)]),
      ],
      canFinish: false,
      ...(type === 'duckdb' ? { wasAsked: (exit: Exit) => diedOfQuery(exit, dataDir.warehouse) } : {}),
    })),
  ];
}

function replicaOf(sink: string, options: SinkConfig, resolved: readonly string[], { replica }: DataDir): Service[] {
  if (options.type !== 'duckdb' || options.hasReplica !== true) return [];
  const args = ['sink', sink, '--replica', ...resolved];
  return [{ name: `sink ${sink} replica`, args, canFinish: false, wasAsked: (exit) => diedOfQuery(exit, replica) }];
}

/** It ended itself for a query, or something else ended it, such as the system for its memory, while it ran one. */
function diedOfQuery({ signal }: Exit, databasePath: string): boolean {
  return signal === QUERY_SIGNAL || readRunning(databasePath).length > 0;
}

/** One engine has no number. */
function enginesOf({ engine: { workers } }: Config): { readonly name: string; readonly worker: readonly string[] }[] {
  if (workers === 1) return [{ name: 'engine', worker: [] }];
  return Array.from({ length: workers }, (_, index) => ({
    name: `engine ${index}`,
    worker: ['--worker', String(index), '--workers', String(workers)],
  }));
}

/** Writes the configuration as it was loaded, for the roles: what is edited later changes nothing until the next run. */
export function writeResolvedConfig(config: Config, dataDir: DataDir): void {
  // It may hold secrets, hence the mode; renamed into place, so that no role reads half of it.
  const temporary = `${dataDir.resolvedConfig}.new`;
  writeFileSync(temporary, `${JSON.stringify(config)}\n`, { mode: 0o600 });
  renameSync(temporary, dataDir.resolvedConfig);
}

/** Makes the topics and registers every sink: nothing is trimmed that a sink named in the configuration has not seen. */
export async function prepareLog(log: Log, config: Config): Promise<void> {
  await log.ensureTopics(pipelineTopics(config.pipeline, config.broker.topicPrefix));
  await log.ensureTopics(sinkTopics(config));
  for (const { group, topic, partitions } of sinkReaders(config)) {
    for (let partition = 0; partition < partitions; partition++) await log.report(group, topic, partition, undefined);
  }
}
