import { accessSync, constants, statSync } from 'node:fs';
import { resolve } from 'node:path';
import { systemErrorCode } from '../lib/errors.ts';
import type { ConfigDocument, Path } from './document.ts';
import { dotted } from './issues.ts';
import type { Problem } from './problem.ts';

/** What a section `tls` names as files. */
const FILE_KEYS = ['ca', 'cert', 'key'];

/**
 * Files of certificates and keys that a configuration names and that cannot be read, before a role finds out at its start. What stands in
 * them is for those who use them.
 */
export function tlsFileProblems(value: unknown, folder: string, document: Pick<ConfigDocument, 'valueAt'>): Problem[] {
  const { broker, sources, sinks } = asMap(value);
  const sections: (readonly [Path, unknown])[] = [
    [['broker'], broker],
    ...Object.entries(asMap(sources)).map(([name, section]) => [['sources', name], section] as const),
    ...Object.entries(asMap(sinks)).map(([name, section]) => [['sinks', name], section] as const),
  ];
  return sections.flatMap(([path, section]) => {
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
    if (!statSync(path).isFile()) return 'is no regular file';
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
