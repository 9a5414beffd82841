import type { Command } from 'commander';
import { systemClock } from '../lib/clock.ts';
import { escapeLines } from '../lib/escape.ts';
import { audit, auditExitCode } from '../query/audit.ts';
import { auditText } from '../query/audit-report.ts';
import type { Launch } from '../roles/definitions.ts';
import { withExamples } from './examples.ts';
import { print, printJson, say } from './output.ts';
import { documentStores } from './document-stores.ts';
import { type TargetOptions, configOf, queryOf, targetOf } from './sql-target.ts';

const EXAMPLES = `Examples:
  tailrace audit                    every line of every source against the ledger and the tables
  tailrace audit --json | jq .lost  for scripts
`;

/** A document sink says what it has stored within 10 s, and then the warehouse reads it. */
const LOOK_AGAIN_MS = 12_000;

interface AuditOptions extends TargetOptions {
  readonly json?: boolean;
}

export function registerAudit(program: Command, { components }: Launch): void {
  const command = program
    .command('audit')
    .description(
      'Counts the lines again: in the files, in the ledger, in the tables, in the documents. Exit code 5 when a line is lost or doubled.',
    )
    .option('-c, --config <file>', 'the configuration (default: ./tailrace.yaml)')
    .option('--data-dir <folder>', 'where everything is kept, for runs without a configuration')
    .option('--json', 'the result as one JSON object')
    .action(async (options: AuditOptions) => {
      const { stores, close } = await documentStores(
        await configOf(options, components),
        components,
        systemClock.nowMs(),
      );
      const lookAgain = async (): Promise<void> => {
        say('there are documents that no epoch accounts for yet: looking again in 12 s');
        await systemClock.sleep(LOOK_AGAIN_MS);
      };
      const result = await audit({ query: queryOf(await targetOf(options, components)), stores, lookAgain });
      await close();
      if (options.json === true) printJson(result);
      else print(escapeLines(auditText(result)));
      process.exitCode = auditExitCode(result);
    });
  withExamples(command, EXAMPLES);
}
