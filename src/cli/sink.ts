import type { Command } from 'commander';
import { epochTopic } from '../broker/broker.ts';
import { AGGREGATES_BY_NAME } from '../components.ts';
import { sinkGroup } from '../config/config.ts';
import { suggestion } from '../config/nearest.ts';
import { pipelineTopics } from '../engine/engine.ts';
import { EXIT, OperatingError } from '../lib/errors.ts';
import { Warehouse } from '../sinks/duckdb/warehouse.ts';
import { withExamples } from './examples.ts';
import { say } from './output.ts';
import { type RoleContext, type RoleOptions, runRole, withRoleOptions } from './role.ts';

/** DuckDB's share of a small machine; what does not fit spills to a folder beside the file. */
const WAREHOUSE_MEMORY = '160MB';
const WAREHOUSE_THREADS = 1;

export function registerSink(program: Command): void {
  const command = program
    .command('sink')
    .description('Runs one sink alone: reads epochs from the log and writes rows.')
    .argument('<name>', 'its name under sinks')
    .action((name: string, options: RoleOptions) =>
      runRole(`sink-${name}`, options, (context) => runSink(context, name)),
    );
  withExamples(withRoleOptions(command), 'Examples:\n  tailrace sink warehouse -c tailrace.yaml\n');
}

async function runSink({ config, dataDir, clock, log, signal }: RoleContext, name: string): Promise<void> {
  if (!Object.hasOwn(config.sinks, name)) {
    const hint = suggestion(name, Object.keys(config.sinks));
    const options = { code: 'SINK_UNKNOWN', exitCode: EXIT.usage };
    throw new OperatingError(`there is no sink "${name}"`, hint === undefined ? options : { ...options, hint });
  }
  const { pipeline, broker } = config;
  // Whoever comes first makes the topics.
  await log.ensureTopics(pipelineTopics(pipeline, broker.topicPrefix));
  const warehouse = new Warehouse({
    clock,
    log,
    aggregates: AGGREGATES_BY_NAME,
    options: {
      path: dataDir.warehouse,
      socketPath: dataDir.sqlSocket,
      group: sinkGroup(config, name),
      memoryLimit: WAREHOUSE_MEMORY,
      threads: WAREHOUSE_THREADS,
      topics: Object.entries(pipeline.streams).map(([stream, { partitions }]) => ({
        stream,
        topic: epochTopic(broker.topicPrefix, pipeline.name, stream),
        partitions,
      })),
    },
    notify: (event) => {
      if (event.type === 'memory_short') say('a query had the memory: it was ended, its epochs are folded again');
    },
  });
  await warehouse.run(signal);
}
