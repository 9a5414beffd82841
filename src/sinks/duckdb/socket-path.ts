import { OperatingError } from '../../lib/errors.ts';

/** The kernel's limit of a socket's path is 108 bytes on Linux and 104 elsewhere, with a zero at the end; beyond it the path is cut. */
export const SOCKET_PATH_BYTES_MAX = 100;

/** Throws unless a unix socket can have this path. */
export function checkSocketPath(path: string): void {
  const length = Buffer.byteLength(path);
  if (length <= SOCKET_PATH_BYTES_MAX) return;
  throw new OperatingError(
    `the socket's path has ${length} bytes, a socket's may have ${SOCKET_PATH_BYTES_MAX}: ${path}`,
    {
      code: 'SOCKET_PATH_TOO_LONG',
      hint: 'use a shorter data_dir',
    },
  );
}
