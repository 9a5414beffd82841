// The idiom for a test on real servers:
//
//   describeWith('kafka', 'elasticsearch')('the pipeline', () => {
//     let kafka: Kafka;
//     beforeAll(async () => { kafka = await startKafka(); }, SERVER_START_MS);
//     afterAll(async () => await kafka?.stop());
//     …
//   });
//
// Where a part cannot be had, the block is skipped and one line on stderr names the part and the way to get it. Under CI
// (`CI=true`) nothing is skipped: the block runs, and fails at the part that is missing.
import { describe } from '@jest/globals';
import type { Part } from './missing-part.ts';
import { missing } from './missing-part.ts';

/** For `beforeAll`: the slowest start on a busy machine, downloads included. */
export const SERVER_START_MS = 420_000;

export const isCi = (): boolean => process.env['CI'] === 'true';

/** `describe`, or `describe.skip` with one loud line where a part cannot be had and this is not CI. */
export function describeWith(...parts: readonly Part[]): (name: string, tests: () => void) => void {
  const lacking = parts.flatMap((part) => {
    const why = missing(part);
    return why === undefined ? [] : [`${part} (${why})`];
  });
  if (lacking.length === 0 || isCi()) return describe;
  const { skip } = describe;
  return (name, tests) => {
    process.stderr.write(`SKIPPED "${name}": it needs ${lacking.join(' and ')}\n`);
    skip(name, tests);
  };
}
