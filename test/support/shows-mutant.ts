import { expect, test } from '@jest/globals';
import type { Mutant } from '../../src/lib/mutant.ts';
import { type Appliance, type ApplianceOptions, type Environment, withAppliance } from './appliance.ts';
import { type Verdict, verdictOf } from './load-runs.ts';

/** A mutant may leave a run that never comes to its end: that is red as well. Without one it comes there, on a busy machine too. */
const MUTANT_WITHIN_MS = 45_000;
const WITHIN_MS = 180_000;

export type Scenario = (appliance: Appliance, environment: Environment) => Promise<void>;

/**
 * The scenario must end well as the program is, and badly with a rule of the protocol switched off, each of those given: only then does its
 * good end say anything of that rule.
 */
export function showsMutant(
  mutants: Mutant | readonly Mutant[],
  options: ApplianceOptions | (() => ApplianceOptions),
  scenario: Scenario,
): void {
  const play = async (environment: Environment): Promise<Verdict> => {
    let verdict: Verdict | undefined;
    const withinMs = Object.keys(environment).length > 0 ? MUTANT_WITHIN_MS : WITHIN_MS;
    await withAppliance(typeof options === 'function' ? options() : options, async (appliance) => {
      await scenario(appliance, environment);
      verdict = await verdictOf(appliance, { environment, withinMs });
    });
    return verdict!;
  };
  const all = typeof mutants === 'string' ? [mutants] : mutants;
  test(`${all.join(', ')}: the scenario ends well without it`, async () => {
    expect((await play({})).differences).toEqual([]);
  });
  test.each(all)('%s: audit and SQL see it', async (mutant) => {
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
