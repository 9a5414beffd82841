import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describeError } from '../../src/lib/errors.ts';
import { AccessLoad, LoadWriter } from './access-load.ts';
import { type Appliance, type Environment, endOf } from './appliance.ts';
import { ORACLE_ROLLUPS, type OracleRollup, Warehouse, compareWithFiles } from './row-oracle.ts';
import { until } from './tailrace-process.ts';

/** Event time runs so many times as fast as a load is written: windows close all the time. */
const EVENT_SPEED = 40;
/** What `out_of_orderness: 5m` means, the bound of all loads here. */
export const LOAD_BOUND_MS = 300_000;

/** Files that grow at the same time: enough that every partition has some. */
const FILES_EACH = 3;

/** Starts to write `linesPerSecond` into files that rotate: two, or some for each partition. A first run has made the topics and registered the sink by then. */
export async function beginLoad(
  appliance: Appliance,
  linesPerSecond: number,
  rotateBytes?: number,
): Promise<LoadWriter> {
  const stepMs = (EVENT_SPEED * 1000) / linesPerSecond;
  writeFileSync(appliance.log('first.log'), new AccessLoad({ seed: 4, stepMs }).lines(500));
  const run = appliance.supervised();
  const { partitions } = appliance;
  const hasBegun = async (): Promise<boolean> => (await appliance.logEnds()).epochs.end > partitions;
  await until(hasBegun, 180_000, () => `the first run wrote no epoch: ${appliance.report()}`);
  run.child.kill('SIGTERM');
  await endOf(run);
  const more = Array.from({ length: FILES_EACH * (partitions - 1) }, (_, number) => appliance.log(`app-${number}.log`));
  const paths = [appliance.log('access.log'), appliance.log('api.log'), ...more];
  const limit = rotateBytes === undefined ? {} : { rotateBytes };
  const writer = new LoadWriter(new AccessLoad({ seed: 5, stepMs }), paths, { seed: 6, ...limit });
  writer.start(linesPerSecond);
  appliance.onRemove(() => writer.stop());
  return writer;
}

export interface Verdict {
  readonly lines: number;
  readonly rows: number;
  /** Epochs that count, as the warehouse numbers them. */
  readonly epochs: number;
  /** Everything that is not as the files say, by the audit and by SQL; empty if all is right. */
  readonly differences: readonly string[];
}

export interface VerdictOptions {
  readonly environment?: Environment;
  readonly boundMs?: number;
  /** How long reading and storing the rest may take. */
  readonly withinMs?: number;
  readonly rollups?: readonly OracleRollup[];
}

/** Ends what runs, lets `run --once` read and store the rest, and judges the result. A run that does not get there is a difference too. */
export async function verdictOf(appliance: Appliance, options: VerdictOptions = {}): Promise<Verdict> {
  const { environment = {}, boundMs = LOAD_BOUND_MS, rollups = ORACLE_ROLLUPS, withinMs } = options;
  try {
    await appliance.stop();
    const audit = await appliance.drain(environment, withinMs);
    const { dataDir, logs } = appliance;
    const compared = await compareWithFiles({ dataDir, logs, outOfOrdernessMs: boundMs, rollups });
    const differences = [...audit.differences, ...compared.differences];
    if (audit.lost !== 0 || audit.doubled !== 0) differences.push(`lost ${audit.lost}, doubled ${audit.doubled}`);
    if (audit.sent !== compared.lines) differences.push(`${compared.lines} lines, the audit says ${audit.sent}`);
    const { code } = await appliance.audit();
    if (code !== 0) differences.push(`audit ended with ${code}`);
    return { lines: compared.lines, rows: compared.rows, epochs: await epochsIn(dataDir), differences };
  } catch (error) {
    return { lines: 0, rows: 0, epochs: 0, differences: [describeError(error)] };
  }
}

async function epochsIn(dataDir: string): Promise<number> {
  const warehouse = await Warehouse.open(join(dataDir, 'warehouse.duckdb'));
  const epochs = await warehouse.count('SELECT sum(n) FROM tailrace.cursors');
  warehouse.close();
  return epochs;
}
