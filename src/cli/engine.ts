import { type Command, Option } from 'commander';
import type { Config } from '../config/config.ts';
import { EXIT, OperatingError } from '../lib/errors.ts';
import { engineText } from '../roles/engine-text.ts';
import { type Worker, runEngine } from '../roles/engine.ts';
import { runRole } from '../roles/role.ts';
import type { Launch } from '../roles/definitions.ts';
import { withExamples } from './examples.ts';
import { asGeneration } from './generation-options.ts';
import { saying } from './output.ts';
import { type RoleOptions, configOfRole, withRoleOptions } from './role-options.ts';

interface EngineCommandOptions extends RoleOptions {
  readonly once?: boolean;
  readonly maySwitch?: boolean;
  readonly generation?: number;
  readonly worker?: number;
  readonly workers?: number;
}

const EXAMPLES = `Examples:
  tailrace engine -c tailrace.yaml                           the only one
  tailrace engine -c tailrace.yaml --worker 0 --workers 4    the first of four that share the partitions
`;

export function registerEngine(program: Command, { components }: Launch): void {
  const command = program
    .command('engine')
    .description(
      'Runs the engine alone: reads raw blocks from the log, writes epochs. Only `run` may change the pipeline of a log.',
    )
    .option('--once', 'commit every position at once, for somebody who waits')
    .option(
      '--worker <i>',
      'which of the workers this is, from 0; each of one data_dir has a lock of its own',
      wholeNumber,
    )
    .option('--workers <n>', 'how many there are (default: engine.workers)', wholeNumber)
    .addOption(new Option('--may-switch', 'set by `run`: this start may bring a changed pipeline').hideHelp())
    .addOption(
      new Option('--generation <n>', 'set by `run`: the number of its pipeline').argParser(asGeneration).hideHelp(),
    )
    .action(async (options: EngineCommandOptions) => {
      const config = await configOfRole(options, components);
      const worker = workerOf(config, options);
      const { once: isOnce = false, maySwitch = false, generation } = options;
      return runRole(engineRole(worker), { config, components }, saying(engineText), (context) =>
        runEngine(context, { ...worker, isOnce, maySwitch, generation }),
      );
    });
  withExamples(withRoleOptions(command), EXAMPLES);
}

function workerOf({ engine }: Config, { worker, workers = engine.workers }: EngineCommandOptions): Worker {
  const isNamed = worker !== undefined;
  if (!isNamed && workers > 1 && engine.assignment === 'static') {
    throw usageError(
      `there are ${workers} workers, and each needs its number`,
      `add --worker 0 … --worker ${workers - 1}`,
    );
  }
  const index = worker ?? 0;
  if (index >= workers) {
    throw usageError(
      `there is no worker ${index} of ${workers}: they count from 0`,
      `use --worker 0 … --worker ${workers - 1}`,
    );
  }
  return { index, workers };
}

/** Names the lock: several engines of one data_dir are each one of several workers. */
function engineRole({ index, workers }: Worker): string {
  return workers === 1 ? 'engine' : `engine-${index}`;
}

function wholeNumber(text: string): number {
  const value = Number(text);
  if (Number.isInteger(value) && value >= 0 && text.trim() !== '') return value;
  throw usageError(`"${text}" is not a whole number`, 'tailrace engine --help');
}

function usageError(message: string, hint: string): OperatingError {
  return new OperatingError(message, { code: 'USAGE', exitCode: EXIT.usage, hint });
}
