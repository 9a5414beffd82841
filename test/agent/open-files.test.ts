import { expect, test } from '@jest/globals';
import { execFileSync } from 'node:child_process';
import { resolve } from 'node:path';
import { OpenFiles, openFilesWithin, processFilesMax } from '../../src/agent/open-files.ts';
import type { SourceHandle } from '../../src/agent/source.ts';
import { OperatingError } from '../../src/lib/errors.ts';

class Holder {
  isOpen = false;
  isAtRest = false;
  readonly #onDetach: () => void;

  constructor(onDetach: () => void = () => {}) {
    this.#onDetach = onDetach;
  }

  detach(): void {
    this.isOpen = false;
    this.#onDetach();
  }
}

const handle = {} as SourceHandle;
const openIn =
  (files: OpenFiles) =>
  (holder: Holder): void => {
    files.open(holder, () => handle);
    holder.isOpen = true;
  };

test('the bound leaves room for what else is open, and is never none', () => {
  expect([32, 64, 128, 1024, 65_536, Infinity].map((limit) => openFilesWithin(limit, 4096))).toEqual([
    4, 32, 96, 768, 4096, 4096,
  ]);
});

test("the limit is the process's own", () => {
  const module = resolve('dist/agent/open-files.js');
  const script = `import('${module}').then(({ processFilesMax }) => console.log(processFilesMax()))`;
  const command = `ulimit -n 77; exec "${process.execPath}" -e "${script}"`;
  expect(execFileSync('sh', ['-c', command], { encoding: 'utf8' })).toBe('77\n');
  expect(processFilesMax()).toBeGreaterThan(0);
});

test('one that is read to its end gives way first, else the one that has been open the longest', () => {
  const holders = Array.from({ length: 5 }, () => new Holder());
  const open = openIn(new OpenFiles(3));
  for (const holder of holders.slice(0, 3)) open(holder);
  holders[1]!.isAtRest = true;
  open(holders[3]!);
  expect(holders.map(({ isOpen }) => isOpen)).toEqual([true, false, true, true, false]);
  open(holders[4]!);
  expect(holders.map(({ isOpen }) => isOpen)).toEqual([false, false, true, true, true]);
});

test('what was only looked at stays open where there is room', () => {
  const files = new OpenFiles(2);
  const holders = Array.from({ length: 3 }, () => new Holder());
  const keep = (holder: Holder): void => {
    holder.isOpen = true;
    files.keep(holder);
  };
  for (const holder of holders) keep(holder);
  expect(holders.map(({ isOpen }) => isOpen)).toEqual([true, true, false]);
  holders[0]!.isOpen = false;
  keep(holders[2]!);
  expect(holders.map(({ isOpen }) => isOpen)).toEqual([false, true, true]);
});

test('a bound that is too high becomes lower, and the open is tried again; without one to close it is refused', () => {
  let isOpen = 0;
  const real = 4;
  const open = (): SourceHandle => {
    if (isOpen >= real) {
      const cause = Object.assign(new Error('EMFILE'), { code: 'EMFILE' });
      throw new OperatingError('x', { code: 'SOURCE_UNREADABLE', cause });
    }
    isOpen++;
    return handle;
  };
  const files = new OpenFiles(100);
  for (let i = 0; i < 50; i++) {
    const holder = new Holder(() => (isOpen -= 1));
    files.open(holder, open);
    holder.isOpen = true;
    expect(isOpen).toBeLessThanOrEqual(real);
  }
  isOpen = real;
  expect(() => new OpenFiles(100).open(new Holder(), open)).toThrow('x');
});
