import { requireRegistry, rewindSource } from '../agent/resend.ts';
import { EXIT, OperatingError } from '../lib/errors.ts';
import { acquireRoleLock } from '../lib/role-lock.ts';
import { literal } from '../sinks/duckdb/names.ts';
import type { Components } from '../roles/definitions.ts';
import { print } from './output.ts';
import { type TargetOptions, queryOf, targetOf } from './sql-target.ts';

/** `tailrace agent resend`: what the log lost of a source is sent again from the engine's mark on. */
export async function resend(source: string, options: TargetOptions, components: Components): Promise<void> {
  const target = await targetOf(options, components);
  // Asked first, so that a wrong folder is not made and locked.
  requireRegistry(target.root);
  const lock = acquireRoleLock(target.run, 'agent');
  const sql = `SELECT position, tail FROM tailrace.sources WHERE source = ${literal(source)}`;
  const [mark] = await queryOf(target)(sql);
  if (mark === undefined) {
    throw new OperatingError(`there is no source ${source}`, {
      code: 'SOURCE_UNKNOWN',
      hint: 'tailrace sql "select source, path, state from tailrace.sources"',
      exitCode: EXIT.usage,
    });
  }
  rewindSource(target.root, source, Number(mark[0]), String(mark[1]));
  lock.release();
  print(`${source} will be sent again from byte ${String(mark[0])} on when its agent starts`);
}
