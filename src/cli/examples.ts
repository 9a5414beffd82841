import type { Command } from 'commander';

/** Puts examples at the top of a command's help, where they are read. */
export function withExamples(command: Command, examples: string): Command {
  return command.addHelpText('before', `${examples.trimEnd()}\n`);
}
