import { appendFileSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { RAW, SourceWorld } from '../support/source-world.ts';
import { type SourcePlace, sourceContract } from './source-input.ts';

const text = (lines: readonly string[]): string => lines.map((line) => `${line}\n`).join('');

sourceContract(async (): Promise<SourcePlace> => {
  const world = new SourceWorld({
    name: 's',
    topic: RAW,
    partitions: 1,
    include: [],
    exclude: [],
    lineBytesMax: 10_000,
    copyGraceMs: 30_000,
  });
  const folder = join(world.folder, 'logs');
  mkdirSync(folder);
  const path = join(folder, 'one.log');
  world.input = {
    name: 's',
    topic: RAW,
    partitions: 1,
    include: [path],
    exclude: [],
    lineBytesMax: 10_000,
    copyGraceMs: 30_000,
  };
  return {
    world,
    write: async (lines) => appendFileSync(path, text(lines)),
    replace: async (lines) => {
      rmSync(path);
      writeFileSync(path, text(lines));
    },
    close: () => world.close(),
  };
});
