// What programs do to log files when they rotate, restore or edit them, in the steps a follower can be met by.
import { execFileSync } from 'node:child_process';
import { copyFileSync, readdirSync, renameSync, truncateSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';

/** A way a file's content comes to another inode. Between `begin` and `end` both may be there. */
export interface Move {
  readonly name: string;
  readonly begin: (path: string) => void;
  readonly end: (path: string) => void;
  /** Lines written between the two go down with the file they were written to. */
  readonly dooms: boolean;
  /** An older state takes the place of a newer one: where lines have come since, what was read of them cannot be told apart for sure. */
  readonly goesBack?: boolean;
}

const ASIDE = '.aside';

/** Gives every rotated name the next number, as logrotate does: `access.log.1` becomes `access.log.2`. */
export function shiftNumbers(path: string): void {
  const numbers = readdirSync(dirname(path))
    .flatMap((name) => (name.startsWith(`${basename(path)}.`) ? [Number(name.slice(basename(path).length + 1))] : []))
    .filter(Number.isInteger)
    .sort((left, right) => right - left);
  for (const number of numbers) renameSync(`${path}.${number}`, `${path}.${number + 1}`);
}

/** Names a follower of `access.log*` does not look at, on the same file system. */
function hidden(path: string): string {
  return join(dirname(path), `.${basename(path)}.q8Xz1b`);
}

function run(command: string, ...args: readonly string[]): void {
  execFileSync(command, args, { stdio: 'pipe' });
}

export const MOVES: readonly Move[] = [
  {
    name: 'copytruncate',
    begin: (path) => {
      shiftNumbers(path);
      copyFileSync(path, `${path}.1`);
    },
    end: (path) => truncateSync(path),
    dooms: true,
  },
  {
    name: 'cp -p and : >',
    begin: (path) => {
      shiftNumbers(path);
      run('cp', '-p', path, `${path}.1`);
    },
    end: (path) => run('sh', '-c', `: > '${path}'`),
    dooms: true,
  },
  {
    name: 'copy and delete',
    begin: (path) => {
      shiftNumbers(path);
      run('cp', path, `${path}.1`);
    },
    end: (path) => run('rm', path),
    dooms: true,
  },
  {
    name: 'rename',
    begin: shiftNumbers,
    end: (path) => renameSync(path, `${path}.1`),
    dooms: false,
  },
  {
    name: 'sed -i without a match',
    begin: () => {},
    end: (path) => run('sed', '-i', 's/no such text/other text/', path),
    dooms: false,
  },
  {
    name: 'restore from a backup with mv',
    begin: (path) => run('cp', '-p', path, join(dirname(path), ASIDE)),
    end: (path) => run('mv', '-f', join(dirname(path), ASIDE), path),
    dooms: true,
    goesBack: true,
  },
  {
    name: 'rsync',
    begin: (path) => run('cp', '-p', path, hidden(path)),
    end: (path) => renameSync(hidden(path), path),
    dooms: true,
    goesBack: true,
  },
  {
    name: 'restore in sight',
    begin: (path) => run('cp', '-p', path, `${path}.restored`),
    end: (path) => renameSync(`${path}.restored`, path),
    dooms: true,
    goesBack: true,
  },
];

export const COPYTRUNCATE = MOVES[0]!;
