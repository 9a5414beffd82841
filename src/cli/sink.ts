import { type Command, Option } from 'commander';
import { runRole } from '../roles/role.ts';
import { sinkText } from '../roles/sink-text.ts';
import { runSink, sinkNamed } from '../roles/sink.ts';
import type { Launch } from '../roles/definitions.ts';
import { withExamples } from './examples.ts';
import { asDocumentGenerations, asGeneration } from './generation-options.ts';
import { saying } from './output.ts';
import { type RoleOptions, configOfRole, withRoleOptions } from './role-options.ts';

interface SinkOptions extends RoleOptions {
  readonly once?: boolean;
  readonly replica?: boolean;
  readonly maySwitch?: boolean;
  readonly generation?: number;
  readonly documentGeneration: Readonly<Record<string, number>>;
}

export function registerSink(program: Command, { components }: Launch): void {
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
    .action(async (name: string, options: SinkOptions) => {
      const { replica: isReplica = false, once: isOnce = false, maySwitch = false, generation } = options;
      const documentGenerations = options.documentGeneration;
      const role = isReplica ? `sink-${name}-replica` : `sink-${name}`;
      const config = await configOfRole(options, components);
      const sink = sinkNamed(config, components, name);
      return runRole(role, { config, components }, saying(sinkText(sink.definition.text)), (context) =>
        runSink(context, sink, { isReplica, isOnce, maySwitch, generation, documentGenerations }),
      );
    });
  withExamples(withRoleOptions(command), 'Examples:\n  tailrace sink warehouse -c tailrace.yaml\n');
}
