// Runs the tests with the usual report and ends with one line: `N passed, N failed`. Arguments go to Jest.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

interface JestResults {
  success: boolean;
  numPassedTests: number;
  numFailedTests: number;
  numPendingTests: number;
  numRuntimeErrorTestSuites: number;
}

function runJest(outputFile: string): number {
  // Compilers in other threads may hold up the exit of Jest and its workers for ever: nodejs/node#54918.
  const flags = ['--disable-warning=ExperimentalWarning', '--no-concurrent-sparkplug', '--no-concurrent-recompilation'];
  const jest = ['--experimental-vm-modules', ...flags, 'node_modules/jest/bin/jest.js'];
  const report = ['--json', `--outputFile=${outputFile}`];
  const { status, error } = spawnSync(process.execPath, [...jest, ...report, ...process.argv.slice(2)], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  if (error) throw error;
  return status ?? 1;
}

const folder = mkdtempSync(join(tmpdir(), 'tailrace-test-'));
try {
  const outputFile = join(folder, 'results.json');
  const status = runJest(outputFile);
  const results = JSON.parse(readFileSync(outputFile, 'utf8')) as JestResults;
  const failed = results.numFailedTests + results.numRuntimeErrorTestSuites;
  if (results.numPendingTests > 0) console.log(`${results.numPendingTests} SKIPPED, see above`);
  process.exitCode = status !== 0 ? status : failed > 0 || !results.success ? 1 : 0;
  console.log(`${results.numPassedTests} passed, ${failed} failed`);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
