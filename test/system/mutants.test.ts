import { expect } from '@jest/globals';
import { appendFileSync, readFileSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import type { OutgoingMessage } from '../../src/broker/broker.ts';
import { openEmbeddedLog } from '../../src/broker/embedded/embedded-log.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { AccessLoad } from '../support/access-load.ts';
import { type Appliance, type ApplianceOptions, type Environment, endOf } from '../support/appliance.ts';
import { beginLoad } from '../support/load-runs.ts';
import { decidedTo, logEnds, messagesOfKind } from '../support/log-probe.ts';
import { until } from '../support/tailrace-process.ts';
import { showsMutant } from '../support/shows-mutant.ts';
import { twoEngines, untilUncounted } from '../support/two-engines.ts';

const OPTIONS: ApplianceOptions = { outOfOrderness: '5m', idleTimeout: '10s' };
function writeLines(appliance: Appliance, lines: number): void {
  writeFileSync(appliance.log('access.log'), new AccessLoad({ seed: 12 }).lines(lines));
}

/** Waits until the engine has decided everything that is in raw. */
async function decided(appliance: Appliance): Promise<void> {
  const { dataDir } = appliance;
  await until(
    () => decidedTo(dataDir) >= logEnds(dataDir).raw.end,
    120_000,
    () => appliance.report(),
  );
}

async function agentOnce(appliance: Appliance, environment: Environment): Promise<void> {
  const agent = appliance.start(['agent', '--once', '-c', appliance.config], environment);
  expect((await endOf(agent)).code).toBe(0);
}

showsMutant('epoch.every_counts', { ...OPTIONS, snapshotAfter: '64MiB' }, async (appliance, environment) => {
  const writer = await beginLoad(appliance, 10_000);
  const engines = await twoEngines(appliance, environment);
  const log = openEmbeddedLog({
    path: join(appliance.dataDir, 'broker.db'),
    clock: systemClock,
    diskMaxBytes: 2 ** 40,
  });
  await untilUncounted(appliance, engines, log, environment);
  await log.close();
  writer.stop();
});

showsMutant('warehouse.cursor_apart', OPTIONS, async (appliance, environment) => {
  writeLines(appliance, 20_000);
  await agentOnce(appliance, environment);
  appliance.role('engine', environment);
  await decided(appliance);
  const sink = appliance.role('sink', { ...environment, TAILRACE_FAULT: 'warehouse.before_commit:1' });
  expect((await endOf(sink)).signal).toBe('SIGKILL');
});

showsMutant('agent.register_before_ack', OPTIONS, async (appliance, environment) => {
  const load = new AccessLoad({ seed: 12 });
  const log = appliance.log('access.log');
  const registry = join(appliance.dataDir, 'agent-registry.json');
  writeFileSync(log, load.lines(2000));
  const agent = appliance.role('agent', environment);
  await until(
    () => readPosition(registry) > 0,
    120_000,
    () => agent.stderr,
  );
  const database = new DatabaseSync(join(appliance.dataDir, 'broker.db'), { timeout: 5000 });
  const isMutant = Object.keys(environment).length > 0;
  // On a busy machine the registry may be written before the last lines are read: then once more.
  for (let round = 0; round < (isMutant ? 20 : 1); round++) {
    // What is acknowledged now makes the registry due, a second after it was last written …
    const blocks = messagesOfKind(appliance.dataDir, 'block');
    appendFileSync(log, load.lines(10));
    await until(
      () => messagesOfKind(appliance.dataDir, 'block') > blocks,
      120_000,
      () => agent.stderr,
    );
    // … and until then somebody else holds the log's lock: appends wait, while the agent reads on.
    database.exec('BEGIN IMMEDIATE');
    const acknowledged = statSync(log).size;
    const writtenMs = statSync(registry).mtimeMs;
    appendFileSync(log, load.lines(2000));
    const endMs = systemClock.monotonicMs() + 3000;
    while (statSync(registry).mtimeMs === writtenMs && systemClock.monotonicMs() < endMs) await systemClock.sleep(20);
    if (!isMutant || readPosition(registry) > acknowledged) break;
    database.exec('ROLLBACK');
  }
  agent.child.kill('SIGKILL');
  await endOf(agent);
  database.close();
});

function readPosition(registry: string): number {
  try {
    const { sources } = JSON.parse(readFileSync(registry, 'utf8')) as { sources: { position: number }[] };
    return sources[0]?.position ?? 0;
  } catch {
    return 0;
  }
}

showsMutant('block.no_high_water_mark', OPTIONS, async (appliance, environment) => {
  writeLines(appliance, 20_000);
  await agentOnce(appliance, environment);
  // A client that sends everything once more, late, as one may that never got its answers.
  const path = join(appliance.dataDir, 'broker.db');
  const log = openEmbeddedLog({ path, clock: systemClock, diskMaxBytes: 1024 ** 3 });
  const topic = 'tailrace.raw.access';
  const blocks: OutgoingMessage[] = [];
  for await (const messages of log.read(topic, 0, 0, { isFollowing: false })) {
    for (const { kind, header, value } of messages) if (kind === 'block') blocks.push({ kind, header, value });
  }
  for (const block of blocks) await log.append(topic, 0, [block]);
  await log.close();
});

showsMutant('watermark.no_announced_hold', { ...OPTIONS, copyGrace: '1s' }, (appliance) => {
  const bytes = new AccessLoad({ seed: 12 }).lines(60_000);
  for (const [index, name] of ['old.log', 'new.log'].entries()) {
    writeFileSync(appliance.log(name), bytes);
    const timeSeconds = systemClock.nowMs() / 1000 - 3600 * (2 - index);
    utimesSync(appliance.log(name), timeSeconds, timeSeconds);
  }
  return Promise.resolve();
});

showsMutant('trim.past_readers', OPTIONS, async (appliance, environment) => {
  const writer = await beginLoad(appliance, 10_000);
  appliance.role('agent', environment);
  const engine = appliance.role('engine', environment);
  const before = logEnds(appliance.dataDir).epochs;
  // The sink is away for long enough that several snapshots come.
  await until(
    () => logEnds(appliance.dataDir).epochs.end > before.end + 60,
    120_000,
    () => engine.stderr,
  );
  writer.stop();
});
