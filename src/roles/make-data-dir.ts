import { accessSync, constants, lstatSync, mkdirSync, realpathSync, statSync, type Stats } from 'node:fs';
import { dirname } from 'node:path';
import { type DataDir, dataDirOf } from '../config/data-dir.ts';
import { shownPath } from '../config/load.ts';
import { EXIT, OperatingError, systemErrorCode } from '../lib/errors.ts';

/** Who runs this process. */
export interface User {
  readonly uid: number;
  readonly groups: readonly number[];
}

const ROOT = 0;
/** What owners look like that a user namespace does not know: of a rootless container, the host's root among them. */
const OVERFLOW_UID = 65534;
const STICKY = 0o1000;

/**
 * Makes the folder, for its owner only: logs hold what nobody else should read, and what is in it is believed. It may have been there before:
 * one that others may write to is refused before anything is written. `tell` gets what is allowed and still worth a word. Every file that
 * this process makes from here on is its owner's, whoever makes it (DuckDB and SQLite do).
 */
export function makeDataDir(root: string, tell: (line: string) => void = () => {}): DataDir {
  const dataDir = dataDirOf(root);
  process.umask(0o077);
  const user = currentUser();
  try {
    for (const place of user === undefined ? [] : placesOf(root)) {
      const { refusal, note } = judge(place.stats, user!, place.isDataDir);
      if (refusal !== undefined) throw refused(root, `${shown(place.path)} ${refusal.what}`, refusal.hint);
      if (note !== undefined && !place.isDataDir) tell(`note: ${shown(place.path)} ${note}`);
    }
    makeFolders(dataDir.run);
    for (const path of [root, dataDir.run]) accessSync(path, constants.R_OK | constants.W_OK | constants.X_OK);
    return dataDir;
  } catch (error) {
    throw error instanceof OperatingError ? error : unusableDataDir(root, error);
  }
}

/** One folder after the other: the runtime's own way hides why one cannot be made, and never ends where the kernel makes none. */
function makeFolders(path: string): void {
  if (statSync(path, { throwIfNoEntry: false })?.isDirectory() === true) return;
  if (path !== dirname(path)) makeFolders(dirname(path));
  try {
    mkdirSync(path, { mode: 0o700 });
  } catch (error) {
    // Another role may have been faster.
    if (systemErrorCode(error) !== 'EEXIST' || !statSync(path).isDirectory()) throw error;
  }
}

/** A system error of the folder in the words of whoever has to act. */
function unusableDataDir(root: string, error: unknown): OperatingError {
  const code = systemErrorCode(error) ?? String(error);
  const elsewhere = 'name a folder you may write to with data_dir or --data-dir';
  const [what, hint] = WORDS[code] ?? [code, elsewhere];
  return refused(root, what, hint ?? elsewhere, error);
}

const WORDS: Readonly<Record<string, readonly [string, string?]>> = {
  EACCES: ['permission denied'],
  EPERM: ['permission denied'],
  EROFS: ['the file system is mounted read-only'],
  ENOSPC: ['its disk is full', 'free space, or name a folder on another disk'],
  EDQUOT: ['the quota of its disk is used up', 'free space, or name a folder on another disk'],
  EEXIST: ['a file is in its place', 'move the file, or name another folder'],
  ENOTDIR: ['a file is on the way to it', 'move the file, or name another folder'],
  ENAMETOOLONG: ['a name in it is too long'],
  ELOOP: ['its symbolic links lead in a circle', 'mend the link, or name another folder'],
  ENOENT: ['nothing can be made there', 'mend the links on the way to it, or name another folder'],
};

function refused(root: string, reason: string, hint: string, cause?: unknown): OperatingError {
  return new OperatingError(`data_dir ${shown(root)} cannot be used: ${reason}`, {
    code: 'DATA_DIR',
    hint,
    exitCode: EXIT.config,
    cause,
  });
}

interface Judgement {
  readonly refusal?: { readonly what: string; readonly hint: string };
  readonly note?: string;
}

/** Whether what lies in or below a folder can be changed by others than its user and root. */
export function judge(
  { uid, gid, mode }: Pick<Stats, 'uid' | 'gid' | 'mode'>,
  user: User,
  isDataDir: boolean,
): Judgement {
  const isOthers = uid !== ROOT && uid !== user.uid;
  if (isDataDir && isOthers) {
    const what = `belongs to uid ${uid}, and this is run by uid ${user.uid}`;
    return { refusal: { what, hint: 'run it as the user it belongs to, or name another folder' } };
  }
  const isOpenToAll = (mode & 0o002) !== 0;
  // Groups of one user are common for what is on the way; what is in the folder itself is nobody else's.
  const isOpenToGroup = (mode & 0o020) !== 0 && (isDataDir || !user.groups.includes(gid));
  const isSticky = (mode & STICKY) !== 0 && !isDataDir;
  if ((isOpenToAll || isOpenToGroup) && !isSticky) {
    const who = isOpenToAll ? 'everybody' : `the group ${gid}`;
    const hint = `chmod ${isOpenToAll ? 'go' : 'g'}-w it, or name a folder that only you may write to`;
    return { refusal: { what: `can be written by ${who} (mode ${(mode & 0o7777).toString(8)})`, hint } };
  }
  if (!isOthers || uid === OVERFLOW_UID) return {};
  return {
    note: `belongs to uid ${uid}, who could put another folder in the place of data_dir (you are uid ${user.uid})`,
  };
}

interface Place {
  readonly path: string;
  readonly stats: Stats;
  readonly isDataDir: boolean;
}

/** The folder, where it is there, and the folders on the way to it, by its name and by where its links lead. */
function* placesOf(root: string): Generator<Place> {
  const seen = new Set<string>();
  for (const from of [root, realFolder(root)]) {
    for (let path = from; !seen.has(path); path = dirname(path)) {
      seen.add(path);
      const stats = lstatSync(path, { throwIfNoEntry: false });
      if (path === from && stats !== undefined && !stats.isDirectory() && !stats.isSymbolicLink()) {
        throw Object.assign(new Error('no folder'), { code: 'EEXIST' });
      }
      // A link has no mode of its own; where it leads is looked at by its real name.
      if (stats?.isDirectory() === true) yield { path, stats, isDataDir: path === from };
    }
  }
}

/** Where the links of the part that is there lead. */
function realFolder(path: string): string {
  try {
    return realpathSync(path);
  } catch (error) {
    if (systemErrorCode(error) !== 'ENOENT' || path === dirname(path)) throw error;
    return `${realFolder(dirname(path)).replace(/\/$/, '')}${path.slice(dirname(path).replace(/\/$/, '').length)}`;
  }
}

function currentUser(): User | undefined {
  const { geteuid, getegid, getgroups } = process;
  if (geteuid === undefined || getegid === undefined || getgroups === undefined) return undefined;
  return { uid: geteuid(), groups: [getegid(), ...getgroups()] };
}

function shown(path: string): string {
  return shownPath(path);
}
