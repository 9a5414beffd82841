import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { expect, test } from '@jest/globals';
import type { ConfigUse } from '../../src/config/load.ts';
import { resolveSqlText, resolveText } from './configs.ts';
import { ConfigError } from '../../src/config/problem.ts';

/** A configuration that is right; each case breaks it. */
export const RIGHT_CONFIG = `version: 1
name: web
sources:
  web: { type: file, include: [logs/access.log*], stream: access }
streams:
  access:
    codec: { type: combined }
    event_time: { out_of_orderness: 60s }
rollups:
  traffic:
    from: access
    by: [url.path]
    window: { type: tumbling, size: 1m }
    measures: { requests: count, bytes: sum(http.response.body.bytes) }
`;

/** A folder that has these files, for configurations that name them. */
export function folderWith(...files: readonly string[]): string {
  const folder = mkdtempSync(join(tmpdir(), 'tailrace-config-'));
  for (const file of files) {
    mkdirSync(dirname(join(folder, file)), { recursive: true });
    writeFileSync(join(folder, file), '');
  }
  return folder;
}

/** The right configuration with `from` replaced by `to`, once. */
export function changed(from: string, to: string, text = RIGHT_CONFIG): string {
  expect(text).toContain(from);
  return text.replace(from, () => to);
}

/** What is wrong with a text: `line:column CODE: message — hint`, in the order of the file. */
export function problemsOf(
  text: string,
  environment: Readonly<Record<string, string>> = {},
  folder = '',
  use: ConfigUse = 'whole',
): string[] {
  try {
    resolveText(text, join(folder, 'tailrace.yaml'), environment, use);
    return [];
  } catch (error) {
    return linesOf(error);
  }
}

/** The same of a text that may have expressions. */
export async function problemsOfSql(text: string): Promise<string[]> {
  try {
    await resolveSqlText(text);
    return [];
  } catch (error) {
    return linesOf(error);
  }
}

function linesOf(error: unknown): string[] {
  if (!(error instanceof ConfigError)) throw error;
  return error.problems.map(({ code, message, hint, position }) => {
    const place = position === undefined ? '-' : `${position.line}:${position.column}`;
    return `${place} ${code.replace('CONFIG_', '')}: ${message}${hint === undefined ? '' : ` — ${hint}`}`;
  });
}

/** A test that the right configuration with one change has exactly these problems. */
export function refuses(what: string, from: string, to: string, ...problems: readonly string[]): void {
  test(`${what} is refused`, async () => {
    expect(await problemsOfSql(changed(from, to))).toEqual(problems);
  });
}
