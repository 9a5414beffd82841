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
import { existsSync } from 'node:fs';
import { describe } from '@jest/globals';
import { ELASTICSEARCH_JAVA, ELASTICSEARCH_VERSION } from './elasticsearch.ts';
import { KAFKA_JAVA, KAFKA_VERSION } from './kafka.ts';
import { cached } from './stack-cache.ts';
import { findJava, hasTool } from './tools.ts';

export type Part =
  | 'kafka'
  | 'elasticsearch'
  | 'prometheus'
  | 'alertmanager'
  | 'kcat'
  | 'promtool'
  | 'amtool'
  | 'openssl';

/** For `beforeAll`: the slowest start on a busy machine, downloads included. */
export const SERVER_START_MS = 420_000;

/** What a part lacks here, with the way to get it; nothing if it can be had. */
export function missing(part: Part): string | undefined {
  switch (part) {
    case 'kafka':
      return missingJava(KAFKA_JAVA) ?? missingDownload(`kafka-${KAFKA_VERSION}`);
    case 'elasticsearch':
      return missingJava(ELASTICSEARCH_JAVA) ?? missingDownload(`elasticsearch-${ELASTICSEARCH_VERSION}`);
    case 'alertmanager':
      // Debian's name for it, and everybody else's.
      return hasTool('alertmanager') ? undefined : missingTool('prometheus-alertmanager');
    default:
      return missingTool(part);
  }
}

const missingJava = (version: number): string | undefined =>
  findJava(version) === undefined ? `no Java ${version} or later: set JAVA_HOME, or install one` : undefined;

const missingDownload = (name: string): string | undefined =>
  existsSync(cached(name)) || hasTool('mvn') ? undefined : 'no Maven to download it: install maven';

const missingTool = (name: string): string | undefined =>
  hasTool(name) ? undefined : `${name} is not on the PATH: scripts/ci-packages.sh installs it`;

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
