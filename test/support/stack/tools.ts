// What is on this machine: programs on the PATH, and Java by its version.
import { execFileSync } from 'node:child_process';
import { accessSync, constants, existsSync, readdirSync, readFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';

/** The path of a program on the PATH. */
export function toolPath(name: string): string | undefined {
  return (process.env['PATH'] ?? '')
    .split(delimiter)
    .map((folder) => join(folder, name))
    .find(isExecutable);
}

export const hasTool = (name: string): boolean => toolPath(name) !== undefined;

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

export interface Java {
  readonly home: string;
  readonly version: number;
}

/**
 * A Java of at least that version: of `ES_JAVA_HOME`, `JAVA_HOME`, the PATH, then the newest of those that distributions
 * install.
 */
export function findJava(atLeast: number): Java | undefined {
  const named = [process.env['ES_JAVA_HOME'], process.env['JAVA_HOME'], homeOnPath()]
    .filter((home) => home !== undefined)
    .map(javaAt);
  const installed = ['/usr/lib/jvm', '/Library/Java/JavaVirtualMachines']
    .flatMap((folder) => (existsSync(folder) ? readdirSync(folder).map((name) => join(folder, name)) : []))
    .flatMap((home) => [home, join(home, 'Contents', 'Home')])
    .map(javaAt)
    .sort((a, b) => (b?.version ?? 0) - (a?.version ?? 0));
  return [...named, ...installed].find((java) => java !== undefined && java.version >= atLeast);
}

function javaAt(home: string): Java | undefined {
  const java = join(home, 'bin', 'java');
  if (!isExecutable(java)) return undefined;
  const release = join(home, 'release');
  const text = existsSync(release) ? readFileSync(release, 'utf8') : settingsOf(java);
  const version = /(?:JAVA_VERSION="|java\.specification\.version = )(\d+)/.exec(text)?.[1];
  return version === undefined ? undefined : { home, version: Number(version) };
}

function homeOnPath(): string | undefined {
  const java = toolPath('java');
  return java === undefined ? undefined : /java\.home = (.*)/.exec(settingsOf(java))?.[1];
}

/** Java prints its settings on stderr. */
function settingsOf(java: string): string {
  try {
    return execFileSync('sh', ['-c', '"$0" -XshowSettings:properties -version 2>&1', java], { encoding: 'utf8' });
  } catch {
    return '';
  }
}

/**
 * Flags for a server in Java. Under Jest it lives for a minute or two: with the first compiler alone it is up for a quarter less of CPU
 * (Kafka: 4.4 s instead of 6.1 s). A benchmark, or a stack for people, gets both compilers.
 */
export const javaStartFlags = (): string[] =>
  process.env['JEST_WORKER_ID'] === undefined ? [] : ['-XX:TieredStopAtLevel=1'];
