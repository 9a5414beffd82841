import { Command, CommanderError } from 'commander';
import { EXIT, OperatingError } from '../lib/errors.ts';
import { escapeText } from '../lib/escape.ts';
import type { Launch } from '../roles/definitions.ts';
import { withExamples } from './examples.ts';
import { reportError, stdoutStaysQuietWhenClosed } from './output.ts';
import { VERBS, type Verb } from './verbs.ts';
import { programVersion } from './version.ts';

const EXAMPLES = `Examples:
  tailrace demo                              see it work, in a minute
  tailrace run --once access.log             read a log into tables, print them, prove the count
  tailrace check tailrace.yaml               check a configuration
  tailrace run tailrace.yaml                 follow logs until stopped
  tailrace sql "from traffic limit 10"       ask the tables
`;

const EXIT_CODES = `
Exit codes: 0 done, 1 failed, 2 wrong usage, 3 configuration invalid, 4 something cannot be reached,
5 data found bad (audit), 6 more than a tenth of the lines are dead letters or late (run --once),
75 another engine does this work, 76 another configuration is in use, 77 the log is not the one that was read,
130 stopped by Ctrl-C,
142 ended with a query that could not be interrupted, 143 stopped by SIGTERM.`;

/** Runs the command line with the components there are, which are loaded for a verb; resolves to the exit code. */
export async function main(args: readonly string[], load: () => Promise<Launch>): Promise<number> {
  stdoutStaysQuietWhenClosed();
  const words = withHelpFlag(args);
  const program = makeProgram(words[0]);
  try {
    await addVerbs(program, words[0], load);
    if (words.length === 0) {
      process.stdout.write(program.helpInformation({ error: false }));
      return 0;
    }
    await program.parseAsync([...words], { from: 'user' });
    return Number(process.exitCode ?? 0);
  } catch (error) {
    return exitCodeOf(error);
  }
}

/** `tailrace help sql` is `tailrace sql --help`. */
function withHelpFlag(args: readonly string[]): readonly string[] {
  return args[0] === 'help' ? [...args.slice(1), '--help'] : args;
}

function makeProgram(verb: string | undefined): Command {
  const program = new Command('tailrace')
    .description('Log analytics in one small appliance: every line exactly once from file to table.')
    .version(programVersion(), '-V, --version', 'print the version')
    .showSuggestionAfterError()
    .configureOutput({ outputError: (text, write) => write(`${usageLine(text, verb)}\n`) })
    .addHelpText('after', EXIT_CODES)
    .exitOverride();
  withExamples(program, EXAMPLES);
  return program;
}

/** Commander's message on one line, with the way out. */
function usageLine(text: string, verb: string | undefined): string {
  const known = VERBS.some(({ name }) => name === verb) ? `${verb} ` : '';
  const [what = '', ...suggestions] = text
    .replace(/^error: /, '')
    .trim()
    .split('\n')
    .map((line) => line.replace(/^\((.*)\)$/, '$1'));
  // More than one letter behind one dash is rather a word than an option.
  if (/^unknown option '-[^-'].+'$/.test(what)) suggestions.push('An argument that begins with - comes after --');
  return `tailrace: ${escapeText([what.replace(/\.$/, ''), ...suggestions].join('. '))} (tailrace ${known}--help)`;
}

/** Loads the verb that is used; of the others the help text needs only name and summary. */
async function addVerbs(program: Command, used: string | undefined, load: () => Promise<Launch>): Promise<void> {
  const asked = VERBS.find(({ name }) => name === used);
  for (const verb of VERBS) {
    if (verb === asked) await register(verb, program, load);
    else program.command(verb.name).allowUnknownOption().allowExcessArguments();
    const command = program.commands.at(-1);
    if (command === undefined) continue;
    command.helpGroup(verb.group).summary(verb.summary).exitOverride();
    // Shows only its name in the list: arguments and options are told by its own help.
    if (verb !== asked) command.usage(' ');
  }
  program.helpCommand(false);
}

/** The list of components takes a third of a second: who names none has no use for it. */
async function register(verb: Verb, program: Command, load: () => Promise<Launch>): Promise<void> {
  if (verb.isPlain) (await verb.load())(program);
  else (await verb.load())(program, await load());
}

function exitCodeOf(error: unknown): number {
  if (error instanceof CommanderError) {
    // Commander has printed its message; help and version are not errors.
    return error.exitCode === 0 ? 0 : EXIT.usage;
  }
  reportError(error);
  return error instanceof OperatingError ? error.exitCode : EXIT.failed;
}
