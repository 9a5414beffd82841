// Which parts of the stack can be had on this machine.
import { existsSync } from 'node:fs';
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
