import { join, resolve } from 'node:path';
import { SOCKET_PATH_BYTES_MAX } from '../sinks/duckdb/socket-path.ts';

/** Where the things of one `data_dir` lie. */
export interface DataDir {
  readonly root: string;
  readonly broker: string;
  readonly warehouse: string;
  /** The file of a second warehouse process that answers SQL, where there is one. */
  readonly replica: string;
  /** Locks, sockets and the configuration as `run` loaded it: made anew at every start. */
  readonly run: string;
  readonly resolvedConfig: string;
  readonly sqlSocket: string;
  /** Where a run answers what it knows of itself. */
  readonly observeSocket: string;
}

export function dataDirOf(root: string): DataDir {
  const run = join(root, 'run');
  return {
    root,
    broker: join(root, 'broker.db'),
    warehouse: join(root, 'warehouse.duckdb'),
    replica: join(root, 'warehouse-replica.duckdb'),
    run,
    resolvedConfig: join(run, 'config.json'),
    sqlSocket: join(run, 'sql.sock'),
    observeSocket: join(run, 'run.sock'),
  };
}

/** Why a folder can be no data_dir, whatever is there, in words that follow its name; and the way out. */
export function dataDirProblem(
  written: string,
  folder: string,
): { readonly message: string; readonly hint: string } | undefined {
  if (written.includes('\0')) return { message: 'has a NUL in it', hint: 'no path has' };
  if (/^~[^/]*(\/|$)/.test(written)) {
    return {
      message: 'begins with ~, which is for a shell',
      hint: 'write the folder out, or ./~ for one that is called so',
    };
  }
  const path = resolve(folder, written);
  const kernel = kernelFolder(path);
  if (kernel !== undefined) {
    return { message: `lies in ${kernel}, which is the kernel's`, hint: 'name a folder on a disk' };
  }
  const bytes = Buffer.byteLength(dataDirOf(path).sqlSocket);
  if (bytes <= SOCKET_PATH_BYTES_MAX) return undefined;
  const message = `makes the path of a socket with ${bytes} bytes, where at most ${SOCKET_PATH_BYTES_MAX} can be`;
  return { message, hint: 'name a folder with a shorter path' };
}

/** The folder of the kernel that a path lies in: what is written there is no file, or gone with the machine's power. */
function kernelFolder(path: string): string | undefined {
  const [, folder] = /^(\/(?:proc|sys|dev))(?:\/|$)/.exec(path) ?? [];
  return path.startsWith('/dev/shm/') ? undefined : folder;
}
