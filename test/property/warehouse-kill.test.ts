import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { openEmbeddedLog } from '../../src/broker/embedded/embedded-log.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { querySql } from '../../src/sinks/duckdb/client.ts';
import { EpochChain } from '../support/epochs.ts';
import { WarehouseHarness } from '../support/warehouse-harness.ts';
import { MODEL_COUNTS_SQL, MODEL_ROWS_SQL, WarehouseModel } from '../support/warehouse-model.ts';

const CYCLES = process.env['TAILRACE_SOAK'] === '1' ? 1000 : 10;
const SCRIPT = join(import.meta.dirname, '../support/warehouse-child.ts');

/** Pauses of 0 to 40 ms that are the same in every run. */
function* pauses(): Generator<number, never> {
  let state = 12_345;
  for (;;) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    yield state % 40;
  }
}

test('killed again and again with work in flight, it holds every epoch once', async () => {
  const harness = new WarehouseHarness();
  const broker = join(harness.folder, 'broker.db');
  const log = openEmbeddedLog({ path: broker, clock: systemClock, diskMaxBytes: 1e9 });
  try {
    const chain = await EpochChain.begin(log);
    const model = new WarehouseModel();
    const pause = pauses();
    let epochs = 0;
    const append = async (): Promise<void> => {
      const lines = Array.from({ length: 10 }, (_, i) => ({ window: i % 3, key: epochs + i, count: 1 + (i % 3) }));
      await chain.append(
        model.epoch({ lines, windowsClosed: epochs % 3 === 2 ? 1 : 0, isSnapshot: epochs % 20 === 0, lateLines: 1 }),
      );
      epochs++;
    };
    let withWork = 0;
    for (let cycle = 0; cycle < CYCLES; cycle++) {
      const child = spawn(
        process.execPath,
        ['--disable-warning=ExperimentalWarning', SCRIPT, broker, harness.path, harness.socketPath, chain.topic],
        {
          stdio: ['ignore', 'pipe', 'inherit'],
        },
      );
      let said = '';
      child.stdout.setEncoding('utf8').on('data', (text: string) => (said += text));
      const closed = once(child, 'close');
      while (!said.includes('ready')) await systemClock.sleep(2);
      // It is killed in the middle of a stream of epochs, every other time before its first commit.
      const killAt = epochs + 4 + (cycle % 7);
      const appending = (async () => {
        while (epochs < killAt) await append();
      })();
      while (cycle % 2 === 1 && !said.includes('committed')) await systemClock.sleep(1);
      await systemClock.sleep(pause.next().value);
      child.kill('SIGKILL');
      await Promise.all([closed, appending]);
      if (said.includes('committed')) withWork++;
    }
    await harness.runToEnd(log, chain.topic);
    const rows = await harness.query(MODEL_ROWS_SQL);
    expect(rows.map((row) => JSON.stringify(row)).sort()).toEqual(model.rows());
    expect(await harness.query(MODEL_COUNTS_SQL)).toEqual([model.counts()]);
    expect(withWork).toBeGreaterThan(CYCLES / 4);
    // What is there can be read without a running warehouse.
    const { rows: answer } = await querySql(
      { socketPath: harness.socketPath, databasePath: harness.path },
      MODEL_COUNTS_SQL,
    );
    expect(answer).toEqual([model.counts()]);
  } finally {
    await log.close();
    harness.remove();
  }
});
