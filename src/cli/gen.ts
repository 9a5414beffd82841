import { closeSync, openSync, writeSync } from 'node:fs';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { type Command, Option } from 'commander';
import { GeneratorTruth } from '../agent/sources/generator-truth.ts';
import { LineGenerator } from '../agent/sources/generator.ts';
import { type Clock, systemClock } from '../lib/clock.ts';
import { OperatingError, systemErrorCode } from '../lib/errors.ts';
import { seededRandom } from '../lib/random.ts';
import { listenForStop } from '../lib/stop-signals.ts';
import { withExamples } from './examples.ts';
import {
  type GenFlags,
  type GenPlan,
  count,
  durationMs,
  errorBurst,
  lateLines,
  percentage,
  planOf,
  startTime,
} from './gen-flags.ts';

const EXAMPLES = `Examples:
  tailrace gen -n 10000000 --span 1h --seed 7 -o bench.log       a large file, always the same
  tailrace gen -r 5000 -d 60s -o access.log                      a log that grows
  tailrace gen -r 500 --burst error@+20s:10s --late 5%:30s       trouble
  tailrace gen -n 100000 -o a.log --truth truth.json             a log and the rows it must lead to
`;

/** How often rate mode writes: often enough to look steady, rarely enough to cost nothing. */
const TICK_MS = 50;

export function registerGen(program: Command): void {
  const command = program
    .command('gen')
    .description(
      'Makes access logs: by seed always the same, with known trouble in them, and with the results they must lead to.',
    )
    .addOption(
      new Option('-f, --format <name>', 'how lines are written').choices(['combined', 'common']).default('combined'),
    )
    .option('-n, --lines <count>', 'how many lines; 1000 where no rate is given', count(1))
    .option('-r, --rate <count>', 'lines a second, as time goes by', count(1))
    .option('-d, --duration <duration>', 'how long, with a rate', durationMs)
    .option('--seed <number>', 'the same seed and flags make the same bytes', count(0), 1)
    .option(
      '--start <time>',
      'event time of the first line (ISO 8601 or now); 2026-01-01, or now with a rate',
      startTime,
    )
    .option('--span <duration>', 'event time from the first to the last line, without a rate; 1h', durationMs)
    .option('--late <share:duration>', 'share of lines stamped up to so much behind, as 5%:30s', lateLines)
    .option('--dup <share>', 'share of lines that repeat the one before, as 1%', percentage)
    .option('--burst <what>', 'most requests fail for a while, as error@+20s:10s', errorBurst)
    .option('--paths <count>', 'different paths, drawn by Zipf’s law', count(1, 1_000_000), 100)
    .option('--clients <count>', 'different client addresses', count(1, 1_000_000), 500)
    .option('-o, --output <file>', 'append to this file instead of stdout')
    .option('--truth <file>', 'write the exact rows by window, path and status, as JSON')
    .addOption(
      new Option('--window <duration>', 'window size of the truth').argParser(durationMs).default(60_000, '1m'),
    )
    .addOption(
      new Option('--out-of-orderness <duration>', 'what the truth takes for late')
        .argParser(durationMs)
        .default(60_000, '1m'),
    )
    .action((flags: GenFlags) =>
      generate(
        planOf(flags, systemClock.nowMs(), (message) => command.error(message)),
        systemClock,
      ),
    );
  withExamples(command, EXAMPLES);
}

/** Makes and writes the lines until there are enough or a signal comes; the truth is of what was written. */
async function generate(plan: GenPlan, clock: Clock): Promise<void> {
  const { truthFile } = plan;
  const truth = truthFile === undefined ? undefined : new GeneratorTruth(plan.truth);
  const generator = new LineGenerator(plan.lines, seededRandom(plan.seed), truth);
  const output = openOutput(plan.output);
  const stop = listenForStop();
  try {
    if (plan.ratePerSecond === undefined) {
      while (generator.made < plan.count && !stop.signal.aborted) {
        await output.write(generator.next(plan.count - generator.made));
        await nextTurn();
      }
    } else await generateAtRate(plan.ratePerSecond, plan.count, generator, output, clock, stop.signal);
  } finally {
    output.close();
    stop.release();
  }
  if (truth !== undefined && truthFile !== undefined) writeTruth(truthFile, truth, generator.paths);
  process.exitCode = stop.exitCode();
}

/** What is due follows from the time since the start, so that a stall is made up for and the rate holds over any stretch. */
async function generateAtRate(
  ratePerSecond: number,
  countMax: number,
  generator: LineGenerator,
  output: Output,
  clock: Clock,
  signal: AbortSignal,
): Promise<void> {
  const startedMs = clock.monotonicMs();
  while (generator.made < countMax && !signal.aborted) {
    const sinceStartMs = clock.monotonicMs() - startedMs;
    const due = Math.min(countMax, Math.floor((sinceStartMs * ratePerSecond) / 1000));
    while (generator.made < due && !signal.aborted) await output.write(generator.next(due - generator.made));
    if (due < countMax) await clock.sleep(TICK_MS - ((clock.monotonicMs() - startedMs) % TICK_MS), signal);
  }
}

interface Output {
  /** The chunk may be used again when it resolves. */
  write(chunk: Buffer): Promise<void>;
  close(): void;
}

function openOutput(path: string | undefined): Output {
  if (path === undefined) {
    return {
      write: (chunk) => new Promise((resolve) => process.stdout.write(chunk, () => resolve())),
      close: () => undefined,
    };
  }
  const file = onFile(path, () => openSync(path, 'a'));
  return {
    write: async (chunk) => onFile(path, () => writeAll(file, chunk)),
    close: () => closeSync(file),
  };
}

function writeTruth(path: string, truth: GeneratorTruth, paths: readonly string[]): void {
  onFile(path, () => {
    const file = openSync(path, 'w');
    try {
      for (const piece of truth.toJson(paths)) writeAll(file, Buffer.from(piece));
    } finally {
      closeSync(file);
    }
  });
}

function writeAll(file: number, chunk: Buffer): void {
  for (let written = 0; written < chunk.length;) written += writeSync(file, chunk, written);
}

function onFile<T>(path: string, action: () => T): T {
  try {
    return action();
  } catch (error) {
    const code = systemErrorCode(error);
    if (code === undefined) throw error;
    throw new OperatingError(`cannot write ${path}: ${code}`, {
      code: 'GEN_OUTPUT',
      hint: 'give another file, or make room',
      cause: error,
    });
  }
}
