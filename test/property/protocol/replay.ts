// Runs one seed and prints everything that happens: node test/property/protocol/replay.ts SEED [MUTANT] [COUNT]
import { MUTANTS, setMutant } from '../../../src/lib/mutant.ts';
import { profileOf } from './profile.ts';
import { simulate } from './run.ts';

const [seedText = '0', mutantName = '', countText = '1'] = process.argv.slice(2);
setMutant(MUTANTS.find((name) => name === mutantName));
const visits: Record<string, number> = {};
const startedAt = process.hrtime.bigint();
let failures = 0;
for (let seed = Number(seedText); seed < Number(seedText) + Number(countText); seed++) {
  const print = countText === '1' ? (line: string): void => console.log(line) : undefined;
  if (countText === '1') console.log(profileOf(seed));
  const outcome = await simulate(seed, print === undefined ? {} : { print });
  for (const [what, count] of Object.entries(outcome.visits)) visits[what] = (visits[what] ?? 0) + count;
  if (outcome.violations.length > 0 && failures++ < 20)
    console.log(`seed ${seed}: ${outcome.violations.slice(0, 3).join('\n    ')}`);
}
console.log(visits);
console.log(`${failures} of ${countText} failed, ${Number(process.hrtime.bigint() - startedAt) / 1e9} s`);
