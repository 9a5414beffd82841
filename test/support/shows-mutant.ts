import { expect, test } from '@jest/globals';
import type { Mutant } from '../../src/lib/mutant.ts';
import { type Appliance, type ApplianceOptions, type Environment, withAppliance } from './appliance.ts';
import { type Verdict, verdictOf } from './load-runs.ts';

/** A mutant may leave a run that never comes to its end: that is red as well. */
const WITHIN_MS = 15_000;

export type Scenario = (appliance: Appliance, environment: Environment) => Promise<void>;

/**
 * The scenario must end well as the program is, and badly with a rule of the protocol switched off: only then does its good end say
 * anything of that rule.
 */
export function showsMutant(
  mutant: Mutant,
  options: ApplianceOptions | (() => ApplianceOptions),
  scenario: Scenario,
): void {
  const play = async (environment: Environment): Promise<Verdict> => {
    let verdict: Verdict | undefined;
    await withAppliance(typeof options === 'function' ? options() : options, async (appliance) => {
      await scenario(appliance, environment);
      verdict = await verdictOf(appliance, { environment, withinMs: WITHIN_MS });
    });
    return verdict!;
  };
  test(`${mutant}: the scenario ends well without it`, async () => {
    expect((await play({})).differences).toEqual([]);
  });
  test(`${mutant}: audit and SQL see it`, async () => {
    const { differences } = await play({ TAILRACE_MUTANT: mutant });
    process.stderr.write(
      `  ${mutant}: ${differences
        .map((line) => line.split('\n', 1)[0])
        .join('; ')
        .slice(0, 300)}\n`,
    );
    expect(differences).not.toEqual([]);
  });
}
