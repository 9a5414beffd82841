// Runs the benchmarks one after the other, each in a process of its own: all, or those whose path holds an argument.
import { spawnSync } from 'node:child_process';
import { existsSync, globSync } from 'node:fs';

const wanted = process.argv.slice(2);
const benches = existsSync('test/bench') ? globSync('test/bench/**/*.bench.ts').sort() : [];
for (const bench of benches.filter((path) => wanted.every((word) => path.includes(word)))) {
  console.log(`\n${bench}`);
  const { status } = spawnSync(process.execPath, ['--expose-gc', bench], { stdio: 'inherit' });
  if (status !== 0) process.exitCode = 1;
}
if (benches.length === 0) console.log('no benchmarks yet: test/bench/**/*.bench.ts');
