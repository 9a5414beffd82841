import { expect, test } from '@jest/globals';
import { EXIT } from '../../src/lib/errors.ts';
import { type ApplianceOptions, endOf, withAppliance } from '../support/appliance.ts';
import { beginLoad, verdictOf } from '../support/load-runs.ts';
import { twoEngines } from '../support/two-engines.ts';

const ROUNDS = process.env['TAILRACE_SOAK'] === '1' ? 50 : 2;
const OPTIONS: ApplianceOptions = { outOfOrderness: '5m', idleTimeout: '10s', snapshotAfter: '64MiB' };

test.each(Array.from({ length: ROUNDS }, (_, round) => round + 1))(
  'an engine that froze while its successor wrote is fenced, and its epochs do not count (round %d)',
  () =>
    withAppliance(OPTIONS, async (appliance) => {
      const writer = await beginLoad(appliance, 10_000);
      const { first, second } = await twoEngines(appliance);
      const { code, stderr } = await endOf(first);
      expect({ code, stderr }).toMatchObject({
        code: EXIT.fenced,
        stderr: expect.stringMatching(/another engine writes/),
      });
      expect(second.child.exitCode).toBe(null);
      writer.stop();
      const verdict = await verdictOf(appliance);
      expect(verdict.differences).toEqual([]);
    }),
);
