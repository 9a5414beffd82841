import type { Config } from '../config/config.ts';
import type { DataDir } from '../config/data-dir.ts';
import { type MetricsServerOptions, startMetricsServer } from '../query/metrics-server.ts';
import type { Observation } from './observation.ts';
import type { RunEvent } from './run-text.ts';

/** Serves what a run knows of itself: on its socket always, and at `observe.listen`. Throws where that address cannot be had. */
export async function serveObservation(
  observation: Observation,
  { observe, pipeline }: Config,
  { observeSocket }: DataDir,
  notify: (event: Extract<RunEvent, { type: 'observed' }>) => void,
): Promise<{ close(): Promise<void> }> {
  const answers: Pick<MetricsServerOptions, 'metrics' | 'problem' | 'pages'> = {
    metrics: () => observation.metricsText(),
    // Whoever answers is alive.
    problem: () => undefined,
    pages: {
      '/readyz': () => {
        const notReady = observation.notReady();
        return { status: notReady.length === 0 ? 200 : 503, json: { pipeline: pipeline.name, notReady } };
      },
      '/status': async () => ({ status: 200, json: await observation.status() }),
      '/version': () => ({ status: 200, json: observation.version }),
    },
  };
  const servers = [await startMetricsServer({ host: 'localhost', port: 0, socketPath: observeSocket, ...answers })];
  if (observe.listen !== null) {
    const guard = observe.token === null ? {} : { token: observe.token };
    const server = await startMetricsServer({ ...observe.listen, ...guard, ...answers });
    servers.push(server);
    notify({ type: 'observed', address: server.address });
  }
  return {
    close: async () => {
      await Promise.all(servers.map((server) => server.close()));
    },
  };
}
