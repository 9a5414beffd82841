import { accessSync, constants, statSync } from 'node:fs';
import { resolve } from 'node:path';
import { systemErrorCode } from '../lib/errors.ts';
import type { ConfigDocument, Path } from './document.ts';
import { dotted } from './issues.ts';
import type { Problem } from './problem.ts';

/** What a section `tls` names as files. */
const FILE_KEYS = ['ca', 'cert', 'key'];

/**
 * Who uses a configuration: the whole of it is for `check` and `run`, a part for one role or question. What a part has no need of may be
 * missing where it runs, such as a certificate that is mounted in the container of one sink only.
 */
export type ConfigUse = 'whole' | 'part';

/**
 * Files of certificates and keys that a configuration names and that cannot be read, before a role finds out at its start. What stands in
 * them is for those who use them. Of a part only the broker's count: every role opens it, and whoever opens a source or a sink looks then.
 */
export function tlsFileProblems(
  value: unknown,
  folder: string,
  document: Pick<ConfigDocument, 'valueAt'>,
  use: ConfigUse,
): Problem[] {
  const { broker, sources, sinks } = asMap(value);
  const others: (readonly [Path, unknown])[] = [
    ...Object.entries(asMap(sources)).map(([name, section]) => [['sources', name], section] as const),
    ...Object.entries(asMap(sinks)).map(([name, section]) => [['sinks', name], section] as const),
  ];
  return [[['broker'], broker] as const, ...(use === 'whole' ? others : [])].flatMap(([path, section]) => {
    const tls = asMap(asMap(section)['tls']);
    return FILE_KEYS.flatMap((key) => {
      const file = tls[key];
      const what = typeof file === 'string' && file !== '' ? unreadable(resolve(folder, file)) : undefined;
      if (what === undefined) return [];
      const at = [...path, 'tls', key];
      const hint = 'paths begin at the folder of this file';
      return [
        {
          code: 'CONFIG_FILE',
          message: `${dotted(at)}: ${String(file)} ${what}`,
          hint,
          position: document.valueAt(at),
        },
      ];
    });
  });
}

function unreadable(path: string): string | undefined {
  try {
    if (!statSync(path).isFile()) return 'is not a regular file';
    accessSync(path, constants.R_OK);
    return undefined;
  } catch (error) {
    const code = systemErrorCode(error);
    return code === 'ENOENT' ? 'does not exist' : `cannot be read: ${code ?? String(error)}`;
  }
}

function asMap(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? (value as Readonly<Record<string, unknown>>) : {};
}
