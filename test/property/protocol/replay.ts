// Runs one seed and prints everything that happens, or COUNT seeds and prints the violations:
//   node test/property/protocol/replay.ts SEED ['{"losesRaw":true}'] [COUNT]        TAILRACE_MUTANT=… for a mutant
import { type Profile, profileOf } from './profile.ts';
import { simulate } from './run.ts';

const [seedText = '0', profileText = '{}', countText = '1'] = process.argv.slice(2);
const profile = JSON.parse(profileText) as Partial<Profile>;
const [first, count] = [Number(seedText), Number(countText)];
const print = count === 1 ? (line: string): void => console.log(line) : undefined;
if (count === 1) console.log({ ...profileOf(first), ...profile });
const visits: Record<string, number> = {};
let failures = 0;
for (let seed = first; seed < first + count; seed++) {
  const outcome = await simulate(seed, { profile, ...(print === undefined ? {} : { print }) });
  for (const [what, times] of Object.entries(outcome.visits)) visits[what] = (visits[what] ?? 0) + times;
  if (outcome.violations.length === 0) continue;
  failures++;
  console.log(`seed ${seed}: ${outcome.violations.slice(0, 3).join('\n    ')}`);
}
console.log(visits);
console.log(`${failures} of ${count} failed`);
process.exitCode = failures > 0 ? 1 : 0;
