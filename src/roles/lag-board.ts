import { existsSync } from 'node:fs';
import { type Log, epochTopic, rawTopic } from '../broker/broker.ts';
import type { Config } from '../config/config.ts';
import { dataDirOf } from '../config/data-dir.ts';
import type { Clock } from '../lib/clock.ts';
import { EXIT, OperatingError } from '../lib/errors.ts';
import { LagBoard, type LagStream } from '../query/lag.ts';
import { LAG_RULES, type LagRules } from '../query/lag-status.ts';
import type { ClusterEvent } from './cluster-text.ts';
import { openLog } from './role.ts';
import type { Components } from './definitions.ts';
import { sinkEpochs } from './sink-readers.ts';

export interface LagBoardParts {
  readonly clock: Clock;
  /** Time that one look may spend on reading headers. */
  readonly scanMsMax: number;
  /** Ends waiting for a log that is away. */
  readonly stop: AbortSignal;
  readonly notify: (event: ClusterEvent) => void;
}

/** The board over all streams of a pipeline, with its log. */
export function openBoard(
  config: Config,
  components: Components,
  { clock, scanMsMax, stop, notify }: LagBoardParts,
): { readonly board: LagBoard; readonly log: Log; readonly close: () => Promise<void> } {
  const dataDir = dataDirOf(config.dataDir);
  if (config.broker.type === 'embedded' && !existsSync(dataDir.broker)) {
    throw new OperatingError(`${config.dataDir} holds no log`, {
      code: 'LAG_NO_LOG',
      exitCode: EXIT.unreachable,
      hint: 'start tailrace run first, or name its data_dir with --data-dir',
    });
  }
  const log = openLog(config, dataDir, clock, notify, stop);
  const board = new LagBoard({
    log,
    clock,
    streams: lagStreams(config, components),
    rules: lagRules(config),
    scanMsMax,
  });
  return { board, log, close: () => log.close() };
}

function lagStreams(config: Config, components: Components): LagStream[] {
  const { pipeline, broker } = config;
  const documents = sinkEpochs(config, components);
  return Object.keys(pipeline.streams).map((stream) => ({
    stream,
    raw: rawTopic(broker.topicPrefix, stream),
    epochs: [
      epochTopic(broker.topicPrefix, pipeline.name, stream),
      ...documents.filter((one) => one.stream === stream).map(({ topic }) => topic),
    ],
  }));
}

/** A reader reports once a checkpoint: with rare ones, silence means nothing for longer. */
function lagRules({ checkpoint }: Config): LagRules {
  const betweenMs = checkpoint.intervalMs + checkpoint.minPauseMs;
  return { ...LAG_RULES, stopMs: Math.max(LAG_RULES.stopMs, 3 * betweenMs) };
}
