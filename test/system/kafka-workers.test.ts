import { expect, test } from '@jest/globals';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { systemClock } from '../../src/lib/clock.ts';
import { EXIT } from '../../src/lib/errors.ts';
import type { FaultPoint } from '../../src/lib/fault-point.ts';
import { AccessLoad } from '../support/access-load.ts';
import { type Appliance, type ApplianceOptions, endOf, withAppliance } from '../support/appliance.ts';
import { kafkaOfBlock } from '../support/kafka-of-block.ts';
import { type ArmedRole, Deeds, PartitionWork, atWork, dieIn, killRole } from '../support/kafka-runs.ts';
import { beginLoad, verdictOf } from '../support/load-runs.ts';
import { Random } from '../support/random.ts';
import { compareWithFiles } from '../support/row-oracle.ts';
import { secondHost } from '../support/second-host.ts';
import { describeWith } from '../support/stack/require-stack.ts';
import type { Tailrace } from '../support/tailrace-process.ts';

const IS_SOAK = process.env['TAILRACE_SOAK'] === '1';
const LINES = IS_SOAK ? 2_000_000 : 20_000;
const LINES_PER_SECOND = IS_SOAK ? 10_000 : 1_000;
const FAULT_ROUNDS = IS_SOAK ? 6 : 1;
const RANDOM_KILLS = IS_SOAK ? 60 : 4;
const BROKER_RESTARTS = IS_SOAK ? 20 : 1;
const MEMBERSHIP_ROUNDS = IS_SOAK ? 8 : 1;
const PARTITIONS = 4;
const OPTIONS: ApplianceOptions = { outOfOrderness: '5m', idleTimeout: '10s', partitions: PARTITIONS };

describeWith('kafka')('engines that share the partitions of a Kafka', () => {
  const server = kafkaOfBlock();

  const onKafka = (options: ApplianceOptions, work: (appliance: Appliance) => Promise<void>): Promise<void> =>
    withAppliance({ ...OPTIONS, kafka: server.probe, ...options }, work);

  let fingerprint: string | undefined;
  test.each([1, 2, 4])(`${LINES} lines by %d workers become the rows that SQL says`, (workers) =>
    onKafka({ workers, outOfOrderness: '10m', idleTimeout: '1h' }, async (appliance) => {
      const load = new AccessLoad({ seed: 20_150_517, stepMs: IS_SOAK ? 1 : 20 });
      for (let file = 0; file < 10; file++) writeFileSync(appliance.log(`access-${file}.log`), load.lines(LINES / 10));
      const audit = await appliance.drain();
      expect(audit).toMatchObject({ sent: LINES, lost: 0, doubled: 0, isBalanced: true });
      const { dataDir, logs } = appliance;
      const compared = await compareWithFiles({ dataDir, logs, outOfOrdernessMs: 600_000 });
      expect(compared).toMatchObject({ differences: [], lines: LINES, lateLines: 0 });
      fingerprint ??= compared.fingerprint;
      expect(compared.fingerprint).toBe(fingerprint);
    }),
  );

  const rightUnder = async (appliance: Appliance, deeds: Deeds, title: string): Promise<void> => {
    const verdict = await verdictOf(appliance);
    expect(verdict.differences).toEqual([]);
    deeds.print(`${title}: ${verdict.lines} lines, ${verdict.rows} rows`);
  };

  const FAULTS: Readonly<Record<string, readonly (readonly [FaultPoint, number])[]>> = {
    agent: [
      ['agent.sent', 10],
      ['log.after_commit', 10],
      ['agent.acked', 10],
    ],
    'engine 0': [
      ['engine.processed', 10],
      ['engine.after_append', 8],
      ['engine.snapshot_half', 2],
    ],
    'engine 1': [
      ['engine.folded', 1],
      ['engine.before_append', 8],
      ['log.before_commit', 8],
    ],
    sink: [
      ['warehouse.folded', 8],
      ['warehouse.before_commit', 8],
      ['warehouse.after_commit', 8],
    ],
  };

  test(`death of every role in its fault points, ${FAULT_ROUNDS} times, and ${BROKER_RESTARTS} restarts of the broker`, () =>
    onKafka({ workers: 2 }, async (appliance) => {
      const deeds = new Deeds();
      const writer = await beginLoad(appliance, LINES_PER_SECOND);
      const roles: ArmedRole[] = [
        { name: 'agent', start: (environment) => appliance.role('agent', environment) },
        { name: 'engine 0', start: (environment) => appliance.worker(0, 2, environment) },
        { name: 'engine 1', start: (environment) => appliance.worker(1, 2, environment) },
        { name: 'sink', start: (environment) => appliance.role('sink', environment) },
      ];
      const lives = roles.map(async (role, index) => {
        const random = new Random(100 + index);
        for (let round = 0; round < FAULT_ROUNDS; round++) {
          for (const [point, within] of FAULTS[role.name]!) {
            await dieIn(appliance, role, { point, within }, random);
            deeds.add(`${role.name} in ${point}`);
          }
        }
        role.start({});
      });
      await Promise.all(lives);
      const isGraceful = new Random(5);
      for (let restart = 0; restart < BROKER_RESTARTS; restart++) {
        await atWork(appliance);
        const how = isGraceful.chance(0.5) ? 'shut down' : 'killed';
        await (how === 'killed' ? server.kafka.kill() : server.kafka.shutdown());
        await systemClock.sleep(500);
        await server.kafka.restart();
        deeds.add(`broker ${how}, started again`);
      }
      await atWork(appliance);
      writer.stop();
      await rightUnder(appliance, deeds, 'killed in fault points');
    }));

  const VICTIMS = ['agent', 'engine-0', 'engine-1', 'sink-warehouse'] as const;

  test(`${RANDOM_KILLS} kills at random moments, under one supervisor after the other`, () =>
    onKafka({ workers: 2 }, async (appliance) => {
      const random = new Random(2026);
      const deeds = new Deeds();
      const writer = await beginLoad(appliance, LINES_PER_SECOND);
      while (deeds.total < RANDOM_KILLS) {
        const run = appliance.supervised();
        for (const victim of VICTIMS.toSorted(() => random.next() - 0.5).slice(0, 3)) {
          await atWork(appliance);
          await killRole(appliance, victim, random.below(300));
          deeds.add(victim);
        }
        await atWork(appliance);
        run.child.kill('SIGKILL');
        deeds.add('supervisor, and all roles with it');
        await endOf(run);
      }
      writer.stop();
      await rightUnder(appliance, deeds, 'killed at random');
    }));

  test(`workers of a group join, leave, crash, freeze, and are replaced one by one, ${MEMBERSHIP_ROUNDS} times`, () =>
    onKafka({ assignment: 'group' }, async (appliance) => {
      const deeds = new Deeds();
      const writer = await beginLoad(appliance, LINES_PER_SECOND);
      appliance.role('agent');
      appliance.role('sink');
      const crew = new Crew(appliance);
      crew.join();
      crew.join();
      const work = await new PartitionWork(appliance).begin();
      for (let round = 0; round < MEMBERSHIP_ROUNDS; round++) await changeMembers(crew, work, deeds);
      writer.stop();
      await rightUnder(appliance, deeds, 'membership');
    }));

  test('two hosts with different pipelines: no partition goes back to the older one, whose run ends and says why', () =>
    onKafka({ assignment: 'group' }, async (appliance) => {
      const deeds = new Deeds();
      const writer = await beginLoad(appliance, LINES_PER_SECOND);
      const older = appliance.supervised();
      const work = await new PartitionWork(appliance).begin();
      const second = secondHost(appliance, MORE_ROLLUPS);
      const newer = appliance.start(['run', '-c', second]);
      await newer.says(/state restored[\s\S]*state restored/, 60_000);
      deeds.add('a host with a newer pipeline joins', await work.everywhere());
      expect(older.child.exitCode).toBe(null);
      newer.child.kill('SIGKILL');
      expect((await endOf(older)).code).toBe(EXIT.superseded);
      expect(older.stderr).toMatch(/^engine: .*the log carries a newer pipeline \(generation 2\) .*brought \(1\)/m);
      const again = appliance.start(['run', '-c', second]);
      await again.says(/state restored/, 60_000);
      deeds.add('the newer one alone', await work.everywhere());
      writer.stop();
      again.child.kill('SIGTERM');
      await endOf(again);
      // The old file is old, also for a run that begins; who wants it back says so, and it gets a generation of its own.
      const old = await endOf(appliance.supervised());
      expect(old).toMatchObject({ code: EXIT.superseded, stderr: expect.stringContaining('is older than the one in') });
      rmSync(join(appliance.dataDir, 'pipeline-generations.json'));
      await rightUnder(appliance, deeds, 'two pipelines');
    }));

  test('a killed worker under its supervisor is back long before a session would run out', () =>
    onKafka({ workers: 2 }, async (appliance) => {
      const deeds = new Deeds();
      const writer = await beginLoad(appliance, LINES_PER_SECOND);
      const run = appliance.supervised();
      const work = await new PartitionWork(appliance).begin();
      process.kill(appliance.pidOf('engine-1')!, 'SIGKILL');
      deeds.add('crash (kill -9), static', await work.everywhere());
      expect(run.stderr).toMatch(/engine 1 ended \(signal SIGKILL\): starting it again in 100 ms/);
      writer.stop();
      await rightUnder(appliance, deeds, 'take-over');
    }));
});

const MORE_ROLLUPS = `
  days: { from: access, by: [http.request.method], window: { type: tumbling, size: 24h }, measures: { requests: count } }`;

/** The workers of a group; each has a number of its own, and so a lock. */
class Crew {
  readonly #appliance: Appliance;
  #count = 0;
  members: Tailrace[] = [];

  constructor(appliance: Appliance) {
    this.#appliance = appliance;
  }

  join(): Tailrace {
    const member = this.#appliance.worker(this.#count++, 64);
    this.members.push(member);
    return member;
  }

  take(): Tailrace {
    return this.members.shift()!;
  }
}

const SESSION_MS = 6_000;

/** One of each kind of change; afterwards as many workers as before. */
async function changeMembers(crew: Crew, work: PartitionWork, deeds: Deeds): Promise<void> {
  const joined = crew.join();
  await joined.says(/takes /, 60_000);
  deeds.add('join', await work.everywhere());

  const leaver = crew.take();
  leaver.child.kill('SIGTERM');
  expect((await endOf(leaver)).code).toBe(143);
  deeds.add('leave', await work.everywhere());

  const victim = crew.take();
  victim.child.kill('SIGKILL');
  deeds.add('crash (kill -9), group', await work.everywhere());

  crew.join();
  await work.everywhere();
  const frozen = crew.members[0]!;
  frozen.child.kill('SIGSTOP');
  await systemClock.sleep(SESSION_MS + 1_000);
  deeds.add('freeze (SIGSTOP), 7 s ago', await work.everywhere());
  frozen.child.kill('SIGCONT');
  // It may have written an epoch before it heard that it was taken for dead: that one does not count, and the worker goes on.
  await frozen.says(/gives up .*[\s\S]*takes /, 60_000);
  deeds.add('thaw (SIGCONT)', await work.everywhere());
  expect(frozen.child.exitCode).toBe(null);

  for (const old of crew.members.splice(0)) {
    old.child.kill('SIGTERM');
    expect([0, 143, EXIT.fenced]).toContain((await endOf(old)).code);
    crew.join();
    deeds.add('rolling restart of one', await work.everywhere());
  }
}
