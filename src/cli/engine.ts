import { randomBytes } from 'node:crypto';
import { type Command, Option } from 'commander';
import { staticAssignment } from '../broker/broker.ts';
import { AGGREGATES_BY_NAME, CODECS_BY_TYPE } from '../components.ts';
import { ENGINE_DEFAULTS, Engine } from '../engine/engine.ts';
import type { TaskEvent } from '../engine/task.ts';
import { withExamples } from './examples.ts';
import { say } from './output.ts';
import { type RoleContext, type RoleOptions, runRole, withRoleOptions } from './role.ts';

interface EngineCommandOptions extends RoleOptions {
  readonly once?: boolean;
  readonly maySwitch?: boolean;
}

export function registerEngine(program: Command): void {
  const command = program
    .command('engine')
    .description(
      'Runs the engine alone: reads raw blocks from the log, writes epochs. Only `run` may change the pipeline of a log.',
    )
    .option('--once', 'commit every position at once, for somebody who waits')
    .addOption(new Option('--may-switch', 'set by `run`: this start may bring a changed pipeline').hideHelp())
    .action((options: EngineCommandOptions) => runRole('engine', options, (context) => runEngine(context, options)));
  withExamples(withRoleOptions(command), 'Examples:\n  tailrace engine -c tailrace.yaml\n');
}

async function runEngine({ config, clock, log, signal }: RoleContext, options: EngineCommandOptions): Promise<void> {
  const engine = new Engine({
    clock,
    log,
    newId: () => randomBytes(16).toString('hex'),
    assignment: staticAssignment(0, 1),
    codecs: CODECS_BY_TYPE,
    aggregates: AGGREGATES_BY_NAME,
    options: {
      ...ENGINE_DEFAULTS,
      pipeline: config.pipeline,
      topicPrefix: config.broker.topicPrefix,
      checkpoint: { ...ENGINE_DEFAULTS.checkpoint, ...config.checkpoint },
      snapshotBytes: config.snapshotBytes,
      retainMs: config.broker.retainMs,
      maySwitch: options.maySwitch === true,
      isOnce: options.once === true,
    },
    notify: (event) => {
      const line = describeTaskEvent(event);
      if (line !== undefined) say(line);
    },
  });
  await engine.run(signal);
}

/** What a person should know of a task; most of what it does is nobody's business. */
function describeTaskEvent(event: TaskEvent): string | undefined {
  const task = `${event.task.stream}/${event.task.partition}`;
  if (event.type === 'refused') {
    const { refusal } = event;
    const wayOut =
      refusal.reason === 'gap'
        ? `when its file is still there: stop the agent, tailrace agent resend ${refusal.source}, start it`
        : 'see docs/runbook.md, A block was refused';
    return `ALARM ${task}: a block of ${refusal.source || 'an unknown source'} was refused (${refusal.reason}), bytes ${refusal.start} to ${refusal.end} (${wayOut})`;
  }
  if (event.type === 'history_from')
    return `${task}: the raw log was trimmed before: history begins at offset ${event.offset}`;
  if (event.type === 'restored' && event.epochs > 0) {
    return `${task}: state restored from ${event.epochs} epochs in ${Math.round(event.tookMs)} ms, ${event.rawEnd - event.to} messages behind`;
  }
  return undefined;
}
