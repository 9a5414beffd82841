import type { Command } from 'commander';
import { agentText } from '../roles/agent-text.ts';
import { runAgent } from '../roles/agent.ts';
import { runRole } from '../roles/role.ts';
import type { Components, Launch } from '../roles/definitions.ts';
import { withExamples } from './examples.ts';
import { saying } from './output.ts';
import { type RoleOptions, configOfRole, withRoleOptions } from './role-options.ts';
import { checkEnd } from './run-end.ts';

interface AgentCommandOptions extends RoleOptions {
  readonly once?: boolean;
  readonly close?: boolean;
}

export function registerAgent(program: Command, { components }: Launch): void {
  const command = program
    .command('agent')
    .description('Runs the agent alone: reads sources and appends their lines to the log.')
    .option('--once', 'read what is there, close every source, end')
    .option('--close', 'with --once: nothing will follow, so close every window')
    .action(async (options: AgentCommandOptions) => {
      const { once: isOnce = false, close: closesAll = false } = options;
      checkEnd({ isOnce, closesAll }, 'tailrace agent --help');
      const config = await configOfRole(options, components);
      return runRole('agent', { config, components }, saying(agentText()), (context) =>
        runAgent(context, { isOnce, closesAll }),
      );
    });
  withExamples(withRoleOptions(command), 'Examples:\n  tailrace agent -c tailrace.yaml\n  tailrace agent --once\n');
  registerResend(command, components);
}

const RESEND_EXAMPLES = `Examples:
  tailrace sql "from tailrace.sources where state = 'gap'"       which sources are stopped
  tailrace agent resend 6f1c1f0e-…/12                            send one again from there
`;

function registerResend(agent: Command, components: Components): void {
  const command = agent
    .command('resend')
    .description('Makes the agent, which must be stopped, send a source again from where the engine stands.')
    .argument('<source>', 'its id, as tailrace.sources has it')
    .option('--data-dir <folder>', 'where everything is kept, for runs without a configuration')
    .action(async (source: string, _options: unknown, self: Command) => {
      // Loaded only now: an agent has no use for a database client.
      const { resend } = await import('./agent-resend.ts');
      await resend(source, self.optsWithGlobals(), components);
    });
  withExamples(command, RESEND_EXAMPLES);
}
