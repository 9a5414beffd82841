// What open sessions cost: lines per CPU-second, memory and epochs at a thousand to a million keys, of the operator alone.
import { COMPONENTS } from '../../src/components.ts';
import { encodeBody } from '../../src/epoch/codec.ts';
import type { RollupSpec } from '../../src/epoch/pipeline.ts';
import type { OperatorState, RowSet } from '../../src/epoch/table.ts';
import type { AdmittedBatch, Operator, OperatorOutput } from '../../src/operators/operator.ts';
import { session } from '../../src/operators/session-window.ts';
import { Batch } from '../../src/record/batch.ts';
import { LINE_VERDICTS } from '../../src/record/batch.ts';
import { bodyOf } from '../support/epochs.ts';

const LINES = Number(process.argv[2] ?? 8_000_000);
const BATCH = 8192;
const FIELDS = [
  { name: 'source.address', type: 'keyword' },
  { name: 'bytes', type: 'long' },
] as const;
const SPEC: RollupSpec = {
  from: 'access',
  by: [{ field: 'source.address', type: 'keyword', column: 'source_address' }],
  window: { type: 'session', gapMs: 86_400_000, lengthMsMax: null },
  allowedLatenessMs: 0,
  rowsMax: 2_000_000,
  measures: [
    { name: 'requests', aggregate: 'count' },
    { name: 'bytes', aggregate: 'sum', field: 'bytes', fieldType: 'long' },
  ],
};
const OUT: OperatorOutput = { late: () => undefined, fate: () => undefined, others: () => undefined };
const create = (): Operator =>
  session.create({ name: 'visits', spec: SPEC, fields: FIELDS, aggregates: COMPONENTS.aggregates, sinceMs: -Infinity });

interface Taken {
  readonly upserts: RowSet[];
  state: OperatorState | undefined;
}

function take(operator: Operator, isSnapshot: boolean): Taken {
  const taken: Taken = { upserts: [], state: undefined };
  operator.take(isSnapshot, {
    upsert: (rows) => void taken.upserts.push(rows),
    remove: () => undefined,
    state: (state) => void (taken.state = state),
  });
  return taken;
}

const sizeOf = ({ upserts }: Taken): number => encodeBody(bodyOf({ upserts })).length;

/** Batches of lines whose keys come round; the addresses are as long as IPv4 ones are. */
function batchesOf(keys: number): AdmittedBatch[] {
  const count = Math.max(1, Math.ceil(keys / BATCH));
  return Array.from({ length: count }, (_, b) => {
    const batch = new Batch(
      FIELDS.map(({ type }) => type),
      BATCH,
    );
    const texts = Array.from({ length: BATCH }, (_line, i) => `10.${1_000_000 + ((b * BATCH + i) % keys)}`);
    batch.reset(Buffer.from(texts.join('')), BATCH);
    const [address, bytes] = batch.columns;
    if (address?.kind !== 'string' || bytes?.kind !== 'number') throw new Error('a text and a number');
    for (let i = 0, at = 0; i < BATCH; at += texts[i++]!.length) {
      address.start[i] = at;
      address.length[i] = texts[i]!.length;
      bytes.values[i] = i;
      batch.eventTimeMs[i] = i;
    }
    batch.length = BATCH;
    const before = new Float64Array(BATCH).fill(-1);
    const zeros = { watermarkBeforeMs: before, clockBeforeMs: before, hashA: new Uint32Array(BATCH) };
    const hashB = Uint32Array.from({ length: BATCH }, (_line, i) => b * BATCH + i);
    return {
      batch,
      source: 'a/1',
      path: '',
      readAtMs: 0,
      verdicts: LINE_VERDICTS,
      detailOf: () => '',
      ...zeros,
      hashB,
    };
  });
}

for (const keys of [1e3, 1e4, 1e5, 1e6]) {
  const batches = batchesOf(keys);
  globalThis.gc?.();
  const before = process.memoryUsage();
  const operator = create();
  for (const batch of batches) operator.process(batch, OUT);
  globalThis.gc?.();
  const after = process.memoryUsage();
  const perKey = (after.arrayBuffers + after.heapUsed - before.arrayBuffers - before.heapUsed) / keys;
  take(operator, false);
  const cpu = process.cpuUsage();
  let lines = 0;
  for (let round = 0; lines < LINES; round++, lines += BATCH) operator.process(batches[round % batches.length]!, OUT);
  const { user, system } = process.cpuUsage(cpu);
  take(operator, false);
  const snapshot = take(operator, true);
  for (const batch of batches.slice(0, Math.max(1, Math.round(batches.length / 100)))) operator.process(batch, OUT);
  const changed = take(operator, false);
  const restored = create();
  const startedMs = performance.now();
  restored.restore(snapshot.upserts, [], snapshot.state);
  const tookMs = performance.now() - startedMs;
  const share = (100 * changed.upserts[0]!.length) / keys;
  const ratio = (100 * sizeOf(changed)) / sizeOf(snapshot);
  console.log(
    `${keys.toLocaleString('en').padStart(9)} open sessions: ${(lines / (user + system)).toFixed(1)} M lines per CPU-s, ${perKey.toFixed(0)} B a key, snapshot ${(sizeOf(snapshot) / keys).toFixed(0)} B a key, ${share.toFixed(1)} % changed: ${ratio.toFixed(1)} % of its bytes, restored in ${tookMs.toFixed(0)} ms`,
  );
}
