import { systemClock } from '../../src/lib/clock.ts';
import type { Appliance, LockedRole } from './appliance.ts';
import type { Random } from './random.ts';
import { until } from './tailrace-process.ts';

/** A supervisor starts a role later each time, and gives up on one that dies too often: then another one takes over. */
const KILLS_EACH = 9;

export interface Kills {
  readonly count: number;
  /** They die in turn. */
  readonly roles: readonly LockedRole[];
  readonly random: Random;
  /** A kill comes up to so long after what went before it. */
  readonly pauseMsMax: number;
}

/** Runs the appliance, and kills a role behind each call of `before`. At the end nothing runs. */
export async function killInTurn(
  appliance: Appliance,
  { count, roles, random, pauseMsMax }: Kills,
  before: (index: number) => Promise<void> | void,
): Promise<void> {
  let run = appliance.supervised();
  for (let index = 0; index < count; index++) {
    if (index > 0 && index % KILLS_EACH === 0) {
      run.child.kill('SIGTERM');
      await run.ended;
      run = appliance.supervised();
    }
    await before(index);
    const role = roles[index % roles.length]!;
    await systemClock.sleep(random.below(pauseMsMax));
    await until(
      () => appliance.kill(role),
      120_000,
      () => `${role} does not run: ${appliance.report()}`,
    );
  }
  run.child.kill('SIGTERM');
  await run.ended;
}
