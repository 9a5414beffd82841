import { appendFileSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { filesKind } from '../../src/agent/files-kind.ts';
import type { FilesInput } from '../../src/agent/source-input.ts';
import { RAW, SourceWorld } from '../support/source-world.ts';
import { type SourcePlace, sourceContract } from './source-input.ts';

const text = (lines: readonly string[]): string => lines.map((line) => `${line}\n`).join('');

sourceContract(async (): Promise<SourcePlace> => {
  const input: FilesInput = {
    name: 's',
    kind: filesKind,
    topic: RAW,
    partitions: 1,
    include: [],
    exclude: [],
    lineBytesMax: 10_000,
    copyGraceMs: 30_000,
  };
  const world = new SourceWorld(input);
  const folder = join(world.folder, 'logs');
  mkdirSync(folder);
  const path = join(folder, 'one.log');
  world.input = { ...input, include: [path] } as FilesInput;
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
