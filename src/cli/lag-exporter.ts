import { readFileSync } from 'node:fs';
import type { Config } from '../config/config.ts';
import type { Clock } from '../lib/clock.ts';
import { EXIT, OperatingError, systemErrorCode } from '../lib/errors.ts';
import { type ListenAddress, parseListen } from '../lib/listen-address.ts';
import { listenForStop } from '../lib/stop-signals.ts';
import { LagMetrics } from '../query/lag-metrics.ts';
import { startMetricsServer } from '../query/metrics-server.ts';
import { clusterText } from '../roles/cluster-text.ts';
import { openBoard } from '../roles/lag-board.ts';
import type { Components } from '../roles/definitions.ts';
import { SCAN_MS_MAX } from './lag-target.ts';
import { reportError, say, saying } from './output.ts';
import { programVersion } from './version.ts';

export interface ExporterOptions {
  readonly listen: string;
  readonly tokenFile?: string;
  readonly tlsCert?: string;
  readonly tlsKey?: string;
}

export interface ExporterParts {
  readonly config: Config;
  readonly components: Components;
  readonly clock: Clock;
  /** Between two looks. */
  readonly intervalMs: number;
}

/** A look that takes longer waits for the log. */
const LOOK_MS_MAX = 10_000;

/** Looks at the log again and again and serves what was seen last. A log that is away is a metric, and one line; it ends nothing. */
export async function serveLag(
  options: ExporterOptions,
  { config, components, clock, intervalMs }: ExporterParts,
): Promise<void> {
  const metrics = new LagMetrics({ clock, pipeline: config.name, version: programVersion() });
  let problem: string | undefined = 'the log was not looked at yet';
  const server = await startMetricsServer({
    ...addressOf(options.listen),
    ...guards(options),
    metrics: () => metrics.text(),
    problem: () => problem,
  });
  const stop = listenForStop();
  const { board, close } = openBoard(config, components, {
    clock,
    scanMsMax: SCAN_MS_MAX.watch,
    stop: stop.signal,
    notify: saying(clusterText),
  });
  say(`metrics on ${server.address}/metrics`);
  while (!stop.signal.aborted) {
    const startedMs = clock.monotonicMs();
    const seen = new AbortController();
    const late = clock.sleep(LOOK_MS_MAX, seen.signal).then(() => {
      // A cluster that is away is waited for inside the look, which says so: what was seen before it is old by now.
      if (seen.signal.aborted || stop.signal.aborted) return;
      metrics.failed();
      problem = 'LOG_UNREACHABLE';
    });
    try {
      const look = await board.look();
      seen.abort();
      metrics.succeeded(look, clock.monotonicMs() - startedMs);
      problem = undefined;
    } catch (error) {
      seen.abort();
      if (!(error instanceof OperatingError)) throw error;
      if (stop.signal.aborted) break;
      metrics.failed();
      // Said once, however often it is tried.
      if (problem !== error.code) reportError(error);
      problem = error.code;
    }
    await late;
    await clock.sleep(intervalMs, stop.signal);
  }
  await server.close();
  await close();
  process.exitCode = stop.exitCode();
}

function addressOf(listen: string): ListenAddress {
  const address = parseListen(listen);
  if (address !== undefined) return address;
  throw new OperatingError(`--listen ${listen} is not an address`, {
    code: 'USAGE',
    exitCode: EXIT.usage,
    hint: 'write host and port, such as 127.0.0.1:9308',
  });
}

function guards({ tokenFile, tlsCert, tlsKey }: ExporterOptions): {
  token?: string;
  tls?: { cert: string; key: string };
} {
  if ((tlsCert === undefined) !== (tlsKey === undefined)) {
    throw new OperatingError('--tls-cert and --tls-key go together', {
      code: 'USAGE',
      exitCode: EXIT.usage,
      hint: 'name both, or none',
    });
  }
  return {
    ...(tokenFile === undefined ? {} : { token: readToken(tokenFile) }),
    ...(tlsCert === undefined || tlsKey === undefined
      ? {}
      : { tls: { cert: read('--tls-cert', tlsCert), key: read('--tls-key', tlsKey) } }),
  };
}

function readToken(path: string): string {
  const token = read('--token-file', path).trim();
  if (token.length >= 16) return token;
  throw new OperatingError(`--token-file ${path} holds less than 16 characters`, {
    code: 'LISTEN_TOKEN',
    exitCode: EXIT.usage,
    hint: 'make one with: openssl rand -hex 32',
  });
}

function read(option: string, path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw new OperatingError(`${option} ${path} cannot be read: ${systemErrorCode(error) ?? String(error)}`, {
      code: 'LISTEN_FILE',
      exitCode: EXIT.usage,
      hint: 'name a file that this user may read',
      cause: error,
    });
  }
}
