/**
 * Every metric once. Names and labels are a promise to dashboards and alerts: what is here stays, and `docs/reference/metrics.md` is made
 * from it. Prometheus' conventions hold: base units at the end of the name, `_total` for counters and for nothing else.
 */
export interface MetricDefinition<Label extends string = string> {
  readonly name: string;
  readonly type: 'gauge' | 'counter' | 'histogram';
  readonly help: string;
  readonly labels: readonly Label[];
  /** What its value counts or measures. */
  readonly unit: string;
  /** Of a histogram: upper bounds, in its unit. */
  readonly buckets?: readonly number[];
}

function gauge<const Labels extends readonly string[]>(
  name: string,
  unit: string,
  labels: Labels,
  help: string,
): MetricDefinition<Labels[number]> {
  return { name, type: 'gauge', unit, labels, help };
}

function counter<const Labels extends readonly string[]>(
  name: string,
  unit: string,
  labels: Labels,
  help: string,
): MetricDefinition<Labels[number]> {
  return { name, type: 'counter', unit, labels, help };
}

function histogram<const Labels extends readonly string[]>(
  name: string,
  buckets: readonly number[],
  labels: Labels,
  help: string,
): MetricDefinition<Labels[number]> {
  return { name, type: 'histogram', unit: 'seconds', labels, help, buckets };
}

const OF_GROUP = ['group', 'topic', 'partition'] as const;
const OF_CONSUMER_GROUP = ['consumergroup', 'topic', 'partition'] as const;
const OF_PARTITION = ['topic', 'partition'] as const;
const OF_TASK = ['pipeline', 'stream', 'partition'] as const;

export const METRICS = {
  lagLines: gauge(
    'tailrace_lag_lines',
    'lines',
    OF_GROUP,
    'Lines a reader has not taken from the topic it reads. Absent where the log no longer has them.',
  ),
  lagBytes: gauge(
    'tailrace_lag_bytes',
    'bytes',
    OF_GROUP,
    'The same in bytes of the sources. Absent where the log no longer has them.',
  ),
  lagSeconds: gauge(
    'tailrace_lag_seconds',
    'seconds',
    OF_GROUP,
    'Age of the first record a reader has not read; 0 where there is none.',
  ),
  lagStatus: gauge(
    'tailrace_lag_status',
    'status',
    OF_GROUP,
    "Burrow's status: 1 OK, 2 WARN (the lag only grows), 3 ERR (past the end of the log), 4 STOP (silent), 5 STALL (reports and does not move), 6 REWIND (went back).",
  ),
  lagIsEstimated: gauge(
    'tailrace_lag_estimated',
    'bool',
    OF_GROUP,
    '1 while not all headers were read and lines and bytes are reckoned by the mean of those that were.',
  ),
  checkpointTimestamp: gauge(
    'tailrace_checkpoint_last_success_timestamp_seconds',
    'seconds since 1970',
    OF_TASK,
    "When the log took the last epoch that counts, by the log's clock.",
  ),
  checkpoints: counter(
    'tailrace_checkpoints_total',
    'epochs',
    OF_TASK,
    'Epochs that count since the pipeline began: the number of the last one.',
  ),
  otherLines: counter(
    'tailrace_rollup_other_lines_total',
    'lines',
    [...OF_TASK, 'rollup'],
    'Lines that went into the row of all keys that have none of their own, since the pipeline began: the table has as many rows as `rows_max` allows.',
  ),
  possibleLoss: gauge(
    'tailrace_source_possible_loss_bytes',
    'bytes',
    OF_TASK,
    'What may have been missed of the sources that are known, such as the end of a file that was truncated before it was read; of topics, records.',
  ),
  possibleDouble: gauge(
    'tailrace_source_possible_double_bytes',
    'bytes',
    OF_TASK,
    'Bytes of the sources that are known that may have been read before, as another source: files that began as others had.',
  ),
  consumerLag: gauge(
    'kafka_consumergroup_lag',
    'messages',
    OF_CONSUMER_GROUP,
    "Messages between a group's offset and the end, beats among them. Named as kafka_exporter names it.",
  ),
  consumerLagSum: gauge(
    'kafka_consumergroup_lag_sum',
    'messages',
    ['consumergroup', 'topic'],
    'The same over all partitions of a topic.',
  ),
  consumerOffset: gauge(
    'kafka_consumergroup_current_offset',
    'offset',
    OF_CONSUMER_GROUP,
    'What a group reads next, as it has reported it.',
  ),
  topicPartitions: gauge('kafka_topic_partitions', 'partitions', ['topic'], 'Partitions of a topic.'),
  topicOffset: gauge(
    'kafka_topic_partition_current_offset',
    'offset',
    OF_PARTITION,
    'The offset the next message of a partition will get.',
  ),
  topicOldestOffset: gauge(
    'kafka_topic_partition_oldest_offset',
    'offset',
    OF_PARTITION,
    'Offset of the first message that is still in a partition.',
  ),
  lines: counter(
    'tailrace_lines_total',
    'lines',
    [...OF_TASK, 'consumer', 'fate', 'reason'],
    'Lines of the ledger since the pipeline began, by consumer (a table, or the documents of a sink): `in`, and each fate that a line may have.',
  ),
  conservation: gauge(
    'tailrace_conservation_lines',
    'lines',
    [...OF_TASK, 'consumer'],
    'Lines in, less the lines of all fates, at the last checkpoint: 0, or lines were lost or counted twice.',
  ),
  taskBusy: counter(
    'tailrace_task_busy_seconds_total',
    'seconds',
    OF_TASK,
    'Time in which a task worked on lines or wrote an epoch. Its rate, and those of back-pressured and idle, add up to 1.',
  ),
  taskBackPressured: counter(
    'tailrace_task_backpressured_seconds_total',
    'seconds',
    OF_TASK,
    'Time in which a task could not go on because what follows it was not ready: the epoch before, or the store of documents.',
  ),
  taskIdle: counter('tailrace_task_idle_seconds_total', 'seconds', OF_TASK, 'Time in which a task waited for lines.'),
  watermark: gauge(
    'tailrace_watermark_timestamp_seconds',
    'seconds since 1970',
    OF_TASK,
    'Event time up to which a task has seen everything, at the last checkpoint. Absent before the first line.',
  ),
  refusals: counter(
    'tailrace_blocks_refused_total',
    'blocks',
    [...OF_TASK, 'reason'],
    'Blocks of the log that did not count, since this process began.',
  ),
  checkpointSeconds: histogram(
    'tailrace_checkpoint_duration_seconds',
    [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60],
    OF_TASK,
    'From the closing of an epoch until it counts.',
  ),
  checkpointSize: gauge('tailrace_checkpoint_size_bytes', 'bytes', OF_TASK, 'Of the last epoch.'),
  checkpointAttempts: counter(
    'tailrace_checkpoint_attempts_total',
    'epochs',
    [...OF_TASK, 'outcome'],
    'Epochs that a process has tried to write: `ok`, or `failed`: an error, no answer in time, or it did not count. What an ended process has failed at is kept by the run, with `process="run"`.',
  ),
  eventLatency: histogram(
    'tailrace_event_latency_seconds',
    [0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 7200],
    OF_TASK,
    'From the newest event time of an epoch until it counts; beyond the last bucket where old logs are read.',
  ),
  agentLines: counter('tailrace_agent_lines_total', 'lines', [], 'Lines that the log has taken from this agent.'),
  agentBytes: counter('tailrace_agent_sent_bytes_total', 'bytes', [], 'Bytes that the log has taken from this agent.'),
  agentUnsent: gauge(
    'tailrace_agent_unsent_bytes',
    'bytes',
    [],
    'Bytes that are known to be in files and that the log has not taken.',
  ),
  agentHeldUp: gauge(
    'tailrace_agent_held_up_partitions',
    'partitions',
    [],
    'Partitions that take nothing at present: back-pressure as far as the files.',
  ),
  roleUp: gauge('tailrace_role_up', 'bool', ['role'], '1 while the process of a role runs.'),
  restarts: counter(
    'tailrace_restarts_total',
    'restarts',
    ['role', 'reason'],
    'Starts of a role after it had ended, by how it ended: `crash` (an error), `killed` (a signal), `outside` (what it needs is away).',
  ),
  eventLoopDelay: gauge(
    'tailrace_event_loop_delay_seconds',
    'seconds',
    [],
    'The longest time in the last second or so in which a process did not get to anything else.',
  ),
  buildInfo: gauge('tailrace_build_info', 'info', ['version', 'node'], 'Always 1: what runs here, in its labels.'),
  exporterUp: gauge('tailrace_exporter_up', 'bool', [], '1 if the last look at the log succeeded.'),
  exporterLooks: counter('tailrace_exporter_looks_total', 'looks', ['outcome'], 'Looks at the log, by outcome.'),
  exporterLookSeconds: gauge('tailrace_exporter_look_duration_seconds', 'seconds', [], 'How long the last look took.'),
  processCpu: counter('process_cpu_seconds_total', 'seconds', [], 'User and system CPU time of this process.'),
  processMemory: gauge('process_resident_memory_bytes', 'bytes', [], 'Resident memory of this process.'),
  processStart: gauge('process_start_time_seconds', 'seconds since 1970', [], 'When this process began.'),
} as const;

/** `kafka_consumergroup_lag_sum` breaks Prometheus' rule that `_sum` belongs to histograms; boards made for kafka_exporter ask for it. */
export const NAMES_OF_OTHERS: readonly string[] = [METRICS.consumerLagSum.name];
