import type { EpochBody } from '../epoch/epoch.ts';
import type { TaskId } from '../epoch/pipeline.ts';
import type { Clock } from '../lib/clock.ts';
import { METRICS, type MetricDefinition } from '../metrics/catalogue.ts';
import { Meter } from '../metrics/meter.ts';
import type { LedgerTotal } from './ledger.ts';

/** What a task does at any moment: one of them. */
type Load = 'busy' | 'backPressured' | 'idle';

/** What a line counts for where it comes in and where it has its fate; what else the ledger counts stands beside them, or is bytes. */
const SIGNS: Readonly<Record<string, number>> = {
  in: 1,
  rolled_up: -1,
  indexed: -1,
  filtered: -1,
  late: -1,
  dead_letter: -1,
};

const LOADS: readonly (readonly [Load, MetricDefinition<'pipeline' | 'stream' | 'partition'>])[] = [
  ['busy', METRICS.taskBusy],
  ['backPressured', METRICS.taskBackPressured],
  ['idle', METRICS.taskIdle],
];

/** What one task measures: what it does with its time, its lines by fate, and its epochs. Nothing is counted per line. */
export class TaskMeter {
  readonly #meter: Meter;
  readonly #clock: Clock;
  readonly #labels: { readonly pipeline: string; readonly stream: string; readonly partition: number };
  readonly #stopLooking: () => void;
  #load: Load = 'idle';
  #sinceMs: number;
  /** When the epoch in flight was closed. */
  #closedAtMs: number | undefined;
  #newestEventMs = -Infinity;
  /** Of the epoch in flight; undefined where no line in it is newer than all before. */
  #newerEventMs: number | undefined;
  #consumers: readonly string[] = [];

  constructor({ meter = new Meter(), clock }: { readonly meter?: Meter; readonly clock: Clock }, id: TaskId) {
    this.#meter = meter;
    this.#clock = clock;
    this.#labels = { pipeline: id.pipeline, stream: id.stream, partition: id.partition };
    this.#sinceMs = clock.monotonicMs();
    this.#stopLooking = meter.onRead(() => this.is(this.#load));
    // A counter that appears with its first failure has, for Prometheus, not grown.
    for (const outcome of ['ok', 'failed']) meter.add(METRICS.checkpointAttempts, { ...this.#labels, outcome }, 0);
  }

  /** From now on. */
  is(load: Load): void {
    const nowMs = this.#clock.monotonicMs();
    const metric = LOADS.find(([name]) => name === this.#load)![1];
    this.#meter.add(metric, this.#labels, Math.max(0, nowMs - this.#sinceMs) / 1000);
    this.#load = load;
    this.#sinceMs = nowMs;
  }

  /** An epoch was closed and is on its way. */
  closed(body: EpochBody, newestEventMs: number, totals: Iterable<Readonly<LedgerTotal>>): void {
    this.#closedAtMs = this.#clock.monotonicMs();
    this.#newerEventMs = newestEventMs > this.#newestEventMs ? newestEventMs : undefined;
    this.#newestEventMs = Math.max(this.#newestEventMs, newestEventMs);
    if (Number.isFinite(body.watermarkMs))
      this.#meter.set(METRICS.watermark, this.#labels, Math.round(body.watermarkMs) / 1000);
    for (const { reason } of body.refusals) this.#meter.add(METRICS.refusals, { ...this.#labels, reason }, 1);
    this.#lines(totals);
  }

  /** It counts. */
  counted(sizeBytes: number): void {
    const tookMs = this.#clock.monotonicMs() - (this.#closedAtMs ?? this.#clock.monotonicMs());
    this.#closedAtMs = undefined;
    this.#meter.observe(METRICS.checkpointSeconds, this.#labels, tookMs / 1000);
    this.#meter.set(METRICS.checkpointSize, this.#labels, sizeBytes);
    this.#meter.add(METRICS.checkpointAttempts, { ...this.#labels, outcome: 'ok' }, 1);
    if (this.#newerEventMs === undefined) return;
    const behindMs = Math.max(0, this.#clock.nowMs() - this.#newerEventMs);
    this.#meter.observe(METRICS.eventLatency, this.#labels, behindMs / 1000);
  }

  /** The task ends with an error: an epoch in flight has failed with it. */
  failed(): void {
    if (this.#closedAtMs === undefined) return;
    this.#closedAtMs = undefined;
    this.#meter.add(METRICS.checkpointAttempts, { ...this.#labels, outcome: 'failed' }, 1);
  }

  /** What only a living task has is shown no more: another process may have the partition now. */
  ended(): void {
    this.is('idle');
    this.#stopLooking();
    this.#meter.remove(METRICS.watermark, this.#labels);
    this.#meter.remove(METRICS.checkpointSize, this.#labels);
    for (const consumer of this.#consumers) this.#meter.remove(METRICS.conservation, { ...this.#labels, consumer });
  }

  #lines(totals: Iterable<Readonly<LedgerTotal>>): void {
    const held = new Map<string, number>();
    const shown = new Map<string, LedgerTotal>();
    for (const { consumer, fate, reason, lines } of totals) {
      held.set(consumer, (held.get(consumer) ?? 0) + (SIGNS[fate] ?? 0) * lines);
      // The reason of a document is its index: one a day, and so too many.
      const kept = fate === 'indexed' ? '' : reason;
      const key = `${consumer}\n${fate}\n${kept}`;
      const before = shown.get(key);
      if (before === undefined) shown.set(key, { consumer, fate, reason: kept, lines });
      else before.lines += lines;
    }
    for (const { lines, ...of } of shown.values()) this.#meter.set(METRICS.lines, { ...this.#labels, ...of }, lines);
    for (const [consumer, lines] of held) this.#meter.set(METRICS.conservation, { ...this.#labels, consumer }, lines);
    this.#consumers = [...held.keys()];
  }
}
