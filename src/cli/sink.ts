import { type Command, Option } from 'commander';
import { suggestion } from '../config/nearest.ts';
import { pipelineTopics } from '../engine/task-kind.ts';
import { EXIT, OperatingError } from '../lib/errors.ts';
import { withExamples } from './examples.ts';
import { asDocumentGenerations, asGeneration } from './generation-options.ts';
import { type RoleContext, type RoleOptions, runRole, withRoleOptions } from './role.ts';
import { whenItsTurn } from './turn.ts';

interface SinkOptions extends RoleOptions {
  readonly once?: boolean;
  readonly replica?: boolean;
  readonly maySwitch?: boolean;
  readonly generation?: number;
  readonly documentGeneration: Readonly<Record<string, number>>;
}

export function registerSink(program: Command): void {
  const command = program
    .command('sink')
    .description('Runs one sink alone: reads the log and writes rows or documents.')
    .argument('<name>', 'its name under sinks')
    .option('--once', 'commit every position at once, for somebody who waits')
    .option('--replica', 'the second process of a warehouse with query.replica, which answers SQL')
    .addOption(new Option('--may-switch', 'set by `run`: this start may bring changed streams').hideHelp())
    .addOption(new Option('--generation <n>', 'set by `run`: of its pipeline').argParser(asGeneration).hideHelp())
    .addOption(
      new Option('--document-generation <stream=n>', 'set by `run`: of the documents of a stream')
        .argParser(asDocumentGenerations)
        .default({})
        .hideHelp(),
    )
    .action((name: string, options: SinkOptions) =>
      runRole(options.replica === true ? `sink-${name}-replica` : `sink-${name}`, options, (context) =>
        runSink(context, name, options),
      ),
    );
  withExamples(withRoleOptions(command), 'Examples:\n  tailrace sink warehouse -c tailrace.yaml\n');
}

async function runSink(context: RoleContext, name: string, options: SinkOptions): Promise<void> {
  const { config, log } = context;
  const sink = Object.hasOwn(config.sinks, name) ? config.sinks[name] : undefined;
  if (sink === undefined) {
    const hint = suggestion(name, Object.keys(config.sinks));
    const unknown = { code: 'SINK_UNKNOWN', exitCode: EXIT.usage };
    throw new OperatingError(`there is no sink "${name}"`, hint === undefined ? unknown : { ...unknown, hint });
  }
  // Whoever comes first makes the topics.
  await log.ensureTopics(pipelineTopics(config.pipeline, config.broker.topicPrefix));
  // A sink loads the client of its own store only.
  if (sink.type === 'duckdb')
    return (await import('./warehouse-sink.ts')).runWarehouse(context, name, sink, options.replica === true);
  return whenItsTurn(context, name, async (signal) => {
    const own = { ...context, signal };
    if (sink.type === 'events')
      return (await import('./events-sink.ts')).runEvents(own, name, sink, options.generation);
    return (await import('./elasticsearch-sink.ts')).runElasticsearch(own, name, sink, {
      maySwitch: options.maySwitch === true,
      isOnce: options.once === true,
      generation: options.generation,
      documentGenerations: options.documentGeneration,
    });
  });
}
