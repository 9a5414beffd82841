// What the servers of the tests need is downloaded once into the user's cache folder, by Maven, from a pom written here.
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** A slow line may need minutes for the 100 MB of Elasticsearch. */
const DOWNLOAD_TIMEOUT_MS = 900_000;

export interface MavenArtifact {
  readonly group: string;
  readonly artifact: string;
  readonly version: string;
  readonly type?: 'jar' | 'zip';
}

export function stackCache(): string {
  const cache = process.env['XDG_CACHE_HOME'];
  return join(cache === undefined || cache === '' ? join(homedir(), '.cache') : cache, 'tailrace', 'stack');
}

/** Where a finished download lies, whether or not it is there yet. */
export const cached = (name: string): string => join(stackCache(), name);

/**
 * The folder `name` of the cache, made by `fill` when it is missing. It is filled under another name and then renamed,
 * so a reader never sees half of it, and of two that fill it at once one is thrown away.
 */
export async function cachedFolder(name: string, fill: (folder: string) => Promise<void>): Promise<string> {
  const folder = cached(name);
  if (existsSync(folder)) return folder;
  await mkdir(stackCache(), { recursive: true });
  const filling = await mkdtemp(`${folder}.filling-`);
  try {
    await fill(filling);
    await rename(filling, folder);
  } catch (error) {
    if (!existsSync(folder)) throw error;
  } finally {
    await rm(filling, { recursive: true, force: true });
  }
  return folder;
}

/** Copies the artifacts, and what they depend on unless they are zips, into the folder. */
export async function downloadByMaven(artifacts: readonly MavenArtifact[], folder: string): Promise<void> {
  const pom = join(folder, 'pom.xml');
  await writeFile(pom, pomOf(artifacts));
  const only = artifacts.every(({ type }) => type === 'zip') ? ['-DexcludeTransitive=true'] : [];
  const goal = ['dependency:copy-dependencies', `-DoutputDirectory=${folder}`, '-DincludeScope=runtime', ...only];
  try {
    await run('mvn', ['--batch-mode', '--quiet', '--file', pom, ...goal], {
      timeout: DOWNLOAD_TIMEOUT_MS,
      maxBuffer: 64 << 20,
    });
  } catch (error) {
    const { stdout = '', message } = error as { stdout?: string; message: string };
    const first = stdout.split('\n').find((line) => line.startsWith('[ERROR]')) ?? message;
    const names = artifacts.map(({ artifact, version }) => `${artifact}:${version}`).join(', ');
    throw new Error(`Maven could not download ${names}: ${first}`, { cause: error });
  }
}

function pomOf(artifacts: readonly MavenArtifact[]): string {
  const dependencies = artifacts.map(
    ({ group, artifact, version, type = 'jar' }) =>
      `<dependency><groupId>${group}</groupId><artifactId>${artifact}</artifactId>` +
      `<version>${version}</version><type>${type}</type></dependency>`,
  );
  return [
    '<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>',
    '<groupId>tailrace</groupId><artifactId>stack</artifactId><version>1</version>',
    `<dependencies>${dependencies.join('\n')}</dependencies></project>`,
  ].join('\n');
}
