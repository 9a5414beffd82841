import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Command, InvalidArgumentError } from 'commander';
import { loadConfig } from '../config/load.ts';
import type { Launch } from '../roles/definitions.ts';
import { DemoRun } from './demo-run.ts';
import { DEMO_CONFIG, storyOf } from './demo-story.ts';
import { withExamples } from './examples.ts';
import { say } from './output.ts';

const EXAMPLES = `Examples:
  tailrace demo                      a minute that shows what it does
  tailrace demo --rate 20000         the same with more lines
`;

/** Long enough for the story, short enough to watch. */
const SECONDS = 40;
const RATE = 800;

export function registerDemo(program: Command, launch: Launch): void {
  const command = program
    .command('demo')
    .description(
      'Writes a log, follows it, kills its own engine and warehouse on the way, and proves that every line counted once. Exit code 5 if not.',
    )
    .option('--seconds <n>', 'how long the log is written', numberFrom(8, 600), SECONDS)
    .option('--rate <n>', 'lines a second', numberFrom(10, 200_000), RATE)
    .action(async ({ seconds, rate }: { seconds: number; rate: number }) => {
      const folder = mkdtempSync(join(tmpdir(), 'tailrace-demo-'));
      const path = join(folder, 'tailrace.yaml');
      writeFileSync(path, DEMO_CONFIG);
      say(`everything is in ${folder}\n`);
      const { config } = await loadConfig(path, {}, launch.components);
      process.exitCode = await new DemoRun(config, launch, folder, storyOf(seconds, rate)).run();
    });
  withExamples(command, EXAMPLES);
}

function numberFrom(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (Number.isInteger(value) && value >= min && value <= max) return value;
    throw new InvalidArgumentError(`Expects a whole number from ${min} to ${max}.`);
  };
}
