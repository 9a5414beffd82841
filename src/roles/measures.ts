import { monitorEventLoopDelay } from 'node:perf_hooks';
import type { Clock } from '../lib/clock.ts';
import { METRICS } from '../metrics/catalogue.ts';
import type { Meter } from '../metrics/meter.ts';
import { tellSupervisor } from './supervisor-channel.ts';

const REPORT_MS = 1_000;
/** How finely delays are seen: each look wakes the process. */
const DELAY_RESOLUTION_MS = 50;

/** What every process measures of itself. */
export function measureProcess(meter: Meter, clock: Clock): void {
  const delay = monitorEventLoopDelay({ resolution: DELAY_RESOLUTION_MS });
  delay.enable();
  meter.set(METRICS.processStart, {}, clock.nowMs() / 1000 - process.uptime());
  meter.onRead(() => {
    const { user, system } = process.cpuUsage();
    meter.set(METRICS.processCpu, {}, (user + system) / 1e6);
    meter.set(METRICS.processMemory, {}, process.memoryUsage.rss());
    // The wait itself is in what is measured.
    meter.set(METRICS.eventLoopDelay, {}, Math.max(0, delay.max / 1e9 - DELAY_RESOLUTION_MS / 1000));
    delay.reset();
  });
}

/** Tells the supervisor each second, and at the end, what a role measures; without a supervisor it does nothing. */
export function reportMeasures(meter: Meter, clock: Clock): { end(): Promise<void> } {
  if (process.send === undefined) return { end: () => Promise.resolve() };
  measureProcess(meter, clock);
  const tell = async (): Promise<void> => {
    const families = await meter.read();
    // It may have gone while they were read; the role then ends by itself.
    if (process.connected) tellSupervisor({ type: 'measures', families });
  };
  const timer = setInterval(() => void tell(), REPORT_MS);
  timer.unref();
  return {
    end: async () => {
      clearInterval(timer);
      await tell();
    },
  };
}
