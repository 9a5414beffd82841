// What windows that overlap cost: lines per CPU-second of the operator alone, in turns with tumbling windows as long as a pane and as the window.
import { COMPONENTS } from '../../src/components.ts';
import type { RollupSpec, WindowSpec } from '../../src/epoch/pipeline.ts';
import type { AdmittedBatch, Operator, OperatorDefinition, OperatorOutput } from '../../src/operators/operator.ts';
import { sliding } from '../../src/operators/sliding-window.ts';
import { tumbling } from '../../src/operators/tumbling-window.ts';
import { Batch, LINE_VERDICTS } from '../../src/record/batch.ts';

const HOURS = Number(process.argv[2] ?? 3);
const ROUNDS = 5;
const BATCH = 8192;
const FIELDS = [
  { name: 'url.path', type: 'keyword' },
  { name: 'bytes', type: 'long' },
] as const;
const OUT: OperatorOutput = { late: () => undefined, fate: () => undefined, others: () => undefined };
const KINDS: readonly (readonly [string, OperatorDefinition<any>, WindowSpec])[] = [
  ['tumbling 1m', tumbling, { type: 'tumbling', sizeMs: 60_000, offsetMs: 0 }],
  ['tumbling 1h', tumbling, { type: 'tumbling', sizeMs: 3_600_000, offsetMs: 0 }],
  ['sliding 1h/1m', sliding, { type: 'sliding', sizeMs: 3_600_000, slideMs: 60_000 }],
];

function create(definition: OperatorDefinition<any>, window: WindowSpec): Operator {
  const spec: RollupSpec = {
    from: 'access',
    by: [{ field: 'url.path', type: 'keyword', column: 'url_path' }],
    window,
    allowedLatenessMs: 0,
    rowsMax: 1_000_000,
    measures: [
      { name: 'requests', aggregate: 'count' },
      { name: 'bytes', aggregate: 'sum', field: 'bytes', fieldType: 'long' },
      { name: 'most', aggregate: 'max', field: 'bytes', fieldType: 'long' },
    ],
  };
  return definition.create({
    name: 'table',
    spec,
    fields: FIELDS,
    aggregates: COMPONENTS.aggregates,
    sinceMs: -Infinity,
  });
}

/** One batch, given again and again at later times; keys come as often as paths of a site do, few of them often. */
function batchOf(keys: number): AdmittedBatch {
  const batch = new Batch(
    FIELDS.map(({ type }) => type),
    BATCH,
  );
  const texts = Array.from({ length: BATCH }, (_, i) => `/products/${Math.floor(keys * ((i * 0.6180339) % 1) ** 3)}`);
  batch.reset(Buffer.from(texts.join('')), BATCH);
  const [path, bytes] = batch.columns;
  if (path?.kind !== 'string' || bytes?.kind !== 'number') throw new Error('a text and a number');
  for (let i = 0, at = 0; i < BATCH; at += texts[i++]!.length) {
    path.start[i] = at;
    path.length[i] = texts[i]!.length;
    bytes.values[i] = i;
  }
  batch.length = BATCH;
  const watermarkBeforeMs = new Float64Array(BATCH);
  return {
    batch,
    source: 'a/1',
    path: '',
    readAtMs: 0,
    verdicts: LINE_VERDICTS,
    detailOf: () => '',
    watermarkBeforeMs,
    clockBeforeMs: watermarkBeforeMs,
    hashA: new Uint32Array(BATCH),
    hashB: Uint32Array.from({ length: BATCH }, (_, i) => i),
  };
}

/** Lines per microsecond of processor time, over hours of event time. */
function measure(operator: Operator, admitted: AdmittedBatch, linesAMinute: number): number {
  const { eventTimeMs } = admitted.batch;
  const stepMs = 60_000 / linesAMinute;
  const cpu = process.cpuUsage();
  let lines = 0;
  for (let timeMs = 0; timeMs < HOURS * 3_600_000; lines += BATCH) {
    for (let i = 0; i < BATCH; i++, timeMs += stepMs) {
      eventTimeMs[i] = timeMs;
      admitted.watermarkBeforeMs[i] = timeMs - 30_000;
    }
    operator.process(admitted, OUT);
    operator.onWatermark(timeMs - 30_000);
    // A checkpoint about each second of a busy log.
    if ((lines / BATCH) % 64 === 0)
      operator.take(false, { upsert: () => undefined, remove: () => undefined, state: () => undefined });
  }
  const { user, system } = process.cpuUsage(cpu);
  return lines / (user + system);
}

for (const [keys, linesAMinute] of [
  [500, 60_000],
  [500, 300_000],
  [5000, 300_000],
] as const) {
  const admitted = batchOf(keys);
  const best = new Map<string, number>();
  for (let round = 0; round < ROUNDS; round++) {
    for (const [name, definition, window] of KINDS)
      best.set(name, Math.max(best.get(name) ?? 0, measure(create(definition, window), admitted, linesAMinute)));
  }
  const shown = [...best].map(([name, rate]) => `${name} ${rate.toFixed(2)} M`);
  const ratio = best.get('sliding 1h/1m')! / best.get('tumbling 1m')!;
  console.log(
    `${keys} keys, ${linesAMinute} lines a minute: ${shown.join(', ')} lines per CPU-s; sliding / tumbling 1m ${ratio.toFixed(2)}`,
  );
}
