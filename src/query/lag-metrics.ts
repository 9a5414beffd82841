import type { Clock } from '../lib/clock.ts';
import { METRICS, type MetricDefinition } from '../metrics/catalogue.ts';
import { MetricSet } from '../metrics/metric-set.ts';
import type { LagLook } from './lag.ts';
import type { LagStatus } from './lag-status.ts';

/** Burrow's numbers, so that what was made for its exporters means the same. */
const STATUS_NUMBERS: Readonly<Record<LagStatus, number>> = { OK: 1, WARN: 2, ERR: 3, STOP: 4, STALL: 5, REWIND: 6 };

/** What a look says. */
const OF_LOOK: readonly MetricDefinition[] = [
  METRICS.lagLines,
  METRICS.lagBytes,
  METRICS.lagSeconds,
  METRICS.lagStatus,
  METRICS.lagIsEstimated,
  METRICS.checkpointTimestamp,
  METRICS.checkpoints,
  METRICS.otherLines,
  METRICS.possibleLoss,
  METRICS.possibleDouble,
  METRICS.consumerLag,
  METRICS.consumerLagSum,
  METRICS.consumerOffset,
  METRICS.topicPartitions,
  METRICS.topicOffset,
  METRICS.topicOldestOffset,
];

export interface LagMetricsOptions {
  readonly clock: Clock;
  readonly pipeline: string;
  readonly version: string;
}

/** Looks at lag as metrics: one text for every scrape between two looks, so that scrapes cost the log nothing. */
export class LagMetrics {
  readonly #options: LagMetricsOptions;
  readonly #set = new MetricSet();
  readonly #looks = { ok: 0, failed: 0 };

  constructor(options: LagMetricsOptions) {
    this.#options = options;
    const { clock, version } = options;
    this.#set.set(METRICS.buildInfo, { version, node: process.versions.node }, 1);
    this.#set.set(METRICS.processStart, {}, clock.nowMs() / 1000 - process.uptime());
    this.#set.set(METRICS.exporterUp, {}, 0);
    this.#countLooks();
  }

  succeeded(look: LagLook, tookMs: number): void {
    this.#looks.ok++;
    this.#set.empty(OF_LOOK);
    this.#lags(look);
    this.#offsets(look);
    for (const checkpoint of look.checkpoints) {
      const { stream, partition, n, appendedAtMs, otherLines } = checkpoint;
      const labels = { pipeline: this.#options.pipeline, stream, partition };
      this.#set.set(METRICS.checkpointTimestamp, labels, appendedAtMs / 1000);
      this.#set.set(METRICS.checkpoints, labels, n);
      this.#set.set(METRICS.possibleLoss, labels, checkpoint.possibleLossBytes);
      this.#set.set(METRICS.possibleDouble, labels, checkpoint.possibleDoubleBytes);
      for (const [rollup, lines] of Object.entries(otherLines))
        this.#set.set(METRICS.otherLines, { ...labels, rollup }, lines);
    }
    this.#set.set(METRICS.exporterUp, {}, 1);
    this.#set.set(METRICS.exporterLookSeconds, {}, tookMs / 1000);
    this.#countLooks();
  }

  /** What was seen before is no longer known: it is taken away, so that no alert looks at an old number. */
  failed(): void {
    this.#looks.failed++;
    this.#set.empty(OF_LOOK);
    this.#set.set(METRICS.exporterUp, {}, 0);
    this.#countLooks();
  }

  text(): Promise<string> {
    const { user, system } = process.cpuUsage();
    this.#set.set(METRICS.processCpu, {}, (user + system) / 1e6);
    this.#set.set(METRICS.processMemory, {}, process.memoryUsage.rss());
    return this.#set.text();
  }

  #lags({ lags }: LagLook): void {
    const sums = new Map<string, { consumergroup: string; topic: string; messages: number }>();
    for (const { group, topic, partition, lines, bytes, seconds, status, isEstimated, messages, offset } of lags) {
      const labels = { group, topic, partition };
      if (lines !== null) this.#set.set(METRICS.lagLines, labels, lines);
      if (bytes !== null) this.#set.set(METRICS.lagBytes, labels, bytes);
      this.#set.set(METRICS.lagSeconds, labels, seconds);
      this.#set.set(METRICS.lagStatus, labels, STATUS_NUMBERS[status]);
      this.#set.set(METRICS.lagIsEstimated, labels, isEstimated ? 1 : 0);
      const asKafka = { consumergroup: group, topic, partition };
      this.#set.set(METRICS.consumerLag, asKafka, messages);
      this.#set.set(METRICS.consumerOffset, asKafka, offset);
      const sum = sums.get(`${group}\0${topic}`) ?? { consumergroup: group, topic, messages: 0 };
      sum.messages += messages;
      sums.set(`${group}\0${topic}`, sum);
    }
    for (const { messages, ...labels } of sums.values()) this.#set.set(METRICS.consumerLagSum, labels, messages);
  }

  #offsets({ offsets }: LagLook): void {
    const partitions = new Map<string, number>();
    for (const { topic, partition, start, end } of offsets) {
      this.#set.set(METRICS.topicOffset, { topic, partition }, end);
      this.#set.set(METRICS.topicOldestOffset, { topic, partition }, start);
      partitions.set(topic, (partitions.get(topic) ?? 0) + 1);
    }
    for (const [topic, count] of partitions) this.#set.set(METRICS.topicPartitions, { topic }, count);
  }

  #countLooks(): void {
    for (const [outcome, count] of Object.entries(this.#looks))
      this.#set.set(METRICS.exporterLooks, { outcome }, count);
  }
}
