// Lag on a real Kafka: the same command, and the offsets that any other lag exporter sees.
import { appendFileSync, writeFileSync } from 'node:fs';
import { expect, test } from '@jest/globals';
import type { GroupLag } from '../../src/query/lag-report.ts';
import type { PartitionLag } from '../../src/query/lag.ts';
import { accessLines } from '../support/access-lines.ts';
import { type Appliance, withAppliance } from '../support/appliance.ts';
import { kafkaOfBlock } from '../support/kafka-of-block.ts';
import { describeWith } from '../support/stack/require-stack.ts';
import { scrapeUntil } from '../support/scrape.ts';

const PARTITIONS = 2;
const LINES = 500;

interface Lag {
  readonly groups: readonly GroupLag[];
  readonly partitions: readonly PartitionLag[];
}

async function lagOf(appliance: Appliance): Promise<Lag> {
  const { code, stdout, stderr } = await appliance.start(['lag', '-c', appliance.config, '--json']).ended;
  if (code !== 0) throw new Error(`lag ended with ${code}: ${stderr}`);
  return JSON.parse(stdout) as Lag;
}

const groupOf = ({ groups }: Lag, name: string): GroupLag => groups.find(({ group }) => group === name)!;

describeWith('kafka')('lag on Kafka', () => {
  const server = kafkaOfBlock();

  test('is what Kafka says of the groups, and in lines what was not read', async () => {
    await withAppliance({ kafka: server.probe, partitions: PARTITIONS }, async (appliance) => {
      for (let i = 0; i < 4; i++) writeFileSync(appliance.log(`a${i}.log`), accessLines(LINES));
      await appliance.drain();

      const drained = await lagOf(appliance);
      expect(drained.groups.map(({ group, status, lines }) => [group, status, lines])).toEqual([
        ['pipeline.web', 'OK', 0],
        ['web.warehouse', 'OK', 0],
      ]);
      expect(drained.partitions).toHaveLength(2 * PARTITIONS);

      // What `kafka-consumer-groups.sh --describe` and every exporter reads.
      const admin = await server.probe.admin();
      const committed = [];
      for (const { group } of drained.groups) {
        for (const { topic, partitions } of await admin.fetchOffsets({ groupId: group })) {
          for (const { partition, offset } of partitions) {
            if (Number(offset) >= 0) committed.push({ group, topic, partition, offset: Number(offset) });
          }
        }
      }
      const reported = drained.partitions.map(({ group, topic, partition, offset }) => ({
        group,
        topic,
        partition,
        offset,
      }));
      const byPlace = (list: typeof reported): string[] => list.map((one) => JSON.stringify(one)).sort();
      expect(byPlace(committed)).toEqual(byPlace(reported));

      // Lines that an agent sends while no engine runs.
      for (let i = 0; i < 4; i++) appendFileSync(appliance.log(`a${i}.log`), accessLines(LINES));
      const before = await appliance.logEnds();
      const agent = appliance.role('agent');
      let behind = drained;
      for (let tries = 0; tries < 30 && groupOf(behind, 'pipeline.web').lines !== 4 * LINES; tries++) {
        behind = await lagOf(appliance);
      }
      agent.child.kill('SIGTERM');
      await agent.ended;
      expect((await appliance.logEnds()).raw.end).toBeGreaterThan(before.raw.end);
      expect(groupOf(behind, 'pipeline.web')).toMatchObject({ lines: 4 * LINES, isEstimated: false });
      expect(groupOf(behind, 'pipeline.web').seconds).toBeGreaterThan(0);
      expect(groupOf(behind, 'web.warehouse')).toMatchObject({ lines: 0, seconds: 0 });
    });
  });

  test('a cluster that is away is said, exported as such, and ends nothing', async () => {
    await withAppliance({ kafka: server.probe }, async (appliance) => {
      writeFileSync(appliance.log('a.log'), accessLines(LINES));
      await appliance.drain();
      const exporter = appliance.start(['lag', '-c', appliance.config, '--listen', '127.0.0.1:0']);
      await exporter.says(/metrics on http/);
      const [address = ''] = /http:\S+/.exec(exporter.stderr) ?? [];
      const exports = (line: string): Promise<string> => scrapeUntil(address, line, 90_000);
      expect(await exports('tailrace_exporter_up 1\n')).toContain('tailrace_lag_lines{group="web.warehouse"');
      await server.kafka.kill();
      expect(await exports('tailrace_exporter_up 0\n')).not.toContain('tailrace_lag_lines{');
      expect((await fetch(address.replace('/metrics', '/healthz'))).status).toBe(503);
      await server.kafka.restart();
      await exports('tailrace_exporter_up 1\n');
      expect(exporter.stderr).toMatch(/does not answer/);
      exporter.child.kill('SIGTERM');
      expect((await exporter.ended).code).toBe(143);
    });
  });
});
