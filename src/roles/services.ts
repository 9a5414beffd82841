import { renameSync, writeFileSync } from 'node:fs';
import type { Log } from '../broker/broker.ts';
import type { Config } from '../config/config.ts';
import type { DataDir } from '../config/data-dir.ts';
import { pipelineTopics } from '../engine/task-kind.ts';
import type { Service } from '../supervisor/service.ts';
import type { Components } from './definitions.ts';
import type { RunGenerations } from './run-generations.ts';
import type { RunEnd } from './run-end.ts';
import { type NamedSink, sinkReaders, sinkTopics, sinksOf } from './sink-readers.ts';

export interface RunTerms extends RunEnd {
  /** Where other hosts share the partitions. */
  readonly generations: RunGenerations | undefined;
}

/** The roles of one machine, in the order they start. */
export function servicesOf(
  config: Config,
  components: Components,
  dataDir: DataDir,
  { isOnce, closesAll, generations }: RunTerms,
): Service[] {
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
    ...sinksOf(config, components).flatMap((named) =>
      processesOf(named, dataDir, [...resolved, ...once, '--may-switch', ...brought, ...ofDocuments(named.name)]),
    ),
  ];
}

function processesOf({ name, sink, definition }: NamedSink, dataDir: DataDir, args: readonly string[]): Service[] {
  const processes = definition.processes?.(dataDir, sink) ?? [{ isReplica: false }];
  return processes.map(({ isReplica, ...rest }) => ({
    name: isReplica ? `sink ${name} replica` : `sink ${name}`,
    args: ['sink', name, ...(isReplica ? ['--replica'] : []), ...args],
    canFinish: false,
    ...rest,
  }));
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
export async function prepareLog(log: Log, config: Config, components: Components): Promise<void> {
  await log.ensureTopics(pipelineTopics(config.pipeline, config.broker.topicPrefix));
  await log.ensureTopics(sinkTopics(config, components));
  for (const { group, topic, partitions } of sinkReaders(config, components)) {
    for (let partition = 0; partition < partitions; partition++) await log.report(group, topic, partition, undefined);
  }
}
