import { randomUUID } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Appliance } from './appliance.ts';

/** The configuration of a second host of the same pipeline, perhaps with more rollups: an agent, files and a folder of its own. */
export function secondHost(appliance: Appliance, moreRollups = ''): string {
  const { folder, dataDir, logs, config } = appliance;
  mkdirSync(join(folder, 'more-logs'));
  const text = readFileSync(config, 'utf8')
    .replace(dataDir, join(folder, 'second'))
    .replace(logs, join(folder, 'more-logs'))
    .replace(/agent: \{ id: .*\}/, `agent: { id: ${randomUUID()} }`)
    .replace(/^rollups:/m, `rollups:${moreRollups}`);
  const path = join(folder, 'second.yaml');
  writeFileSync(path, text);
  return path;
}
