// A real Prometheus and a real Alertmanager for a test, from Debian's packages, on free ports or given ones.
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ServerObserver } from './server-process.ts';
import { ServerProcess, freePorts } from './server-process.ts';
import { toolPath } from './tools.ts';

const START_TIMEOUT_MS = 60_000;

export interface MonitoringOptions {
  /** Its configuration, as a path; paths in it are relative to that file. */
  readonly config: string;
  readonly port?: number;
  /** Where its data goes, and stays; else a temporary folder, which `stop` removes. */
  readonly folder?: string;
  readonly observer?: ServerObserver;
}

export interface Monitoring {
  readonly url: string;
  readonly pid: number;
  tail(): string;
  stop(): Promise<void>;
}

export const startPrometheus = (options: MonitoringOptions): Promise<Monitoring> =>
  start('Prometheus', ['prometheus'], options, (folder, address) => [
    `--config.file=${options.config}`,
    `--storage.tsdb.path=${join(folder, 'data')}`,
    `--web.listen-address=${address}`,
  ]);

/** Debian names the program `prometheus-alertmanager`. */
export const startAlertmanager = (options: MonitoringOptions): Promise<Monitoring> =>
  start('Alertmanager', ['alertmanager', 'prometheus-alertmanager'], options, (folder, address) => [
    `--config.file=${options.config}`,
    `--storage.path=${join(folder, 'data')}`,
    `--web.listen-address=${address}`,
    '--cluster.listen-address=',
  ]);

async function start(
  name: string,
  programs: readonly string[],
  options: MonitoringOptions,
  args: (folder: string, address: string) => string[],
): Promise<Monitoring> {
  const command = programs.map(toolPath).find((path) => path !== undefined);
  if (command === undefined) throw new Error(`${name} is not on the PATH: scripts/ci-packages.sh installs it`);
  const folder = options.folder ?? (await mkdtemp(join(tmpdir(), `tailrace-${name.toLowerCase()}-`)));
  await mkdir(folder, { recursive: true });
  const port = options.port ?? (await freePorts(1))[0];
  const address = `127.0.0.1:${port}`;
  const url = `http://${address}`;
  const server = new ServerProcess({
    name,
    command,
    args: args(folder, address),
    folder,
    keepFolder: options.folder !== undefined,
    observer: options.observer,
  });
  const stop = async (): Promise<void> => {
    await server.end();
    if (options.folder === undefined) await rm(folder, { recursive: true, force: true });
  };
  try {
    await server.ready(async () => {
      const { status } = await fetch(`${url}/-/ready`, { signal: AbortSignal.timeout(2_000) });
      if (status !== 200) throw new Error(`it answered ${status}`);
    }, START_TIMEOUT_MS);
  } catch (error) {
    await stop();
    throw error;
  }
  return { url, pid: server.pid, tail: () => server.tail(), stop };
}
