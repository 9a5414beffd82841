// One sample of every format of the log, as written once into test/fixtures/format and readable for ever. Never change one:
// a new version gets a sample and a file of its own.
import { readFileSync } from 'node:fs';
import type { Epoch } from '../../src/epoch/epoch.ts';
import type { Beat } from '../../src/record/beat.ts';
import type { BlockHeader } from '../../src/record/block.ts';
import type { Control, Genesis } from '../../src/record/control.ts';
import { bodyOf, pipelineOf, rowsOf } from './epochs.ts';

const AGENT = '6f1c2d3e-0000-4000-8000-000000000001';

export const BLOCK_V1: BlockHeader = {
  source: `${AGENT}/12`,
  identity: '0123456789abcdef',
  origin: 7,
  prev: 1_000,
  start: 1_007,
  end: 70_010_000_000,
  tail: 'aaaaaaaaaaaaaaaa',
  endTail: 'bbbbbbbbbbbbbbbb',
  lines: 3,
  readAtMs: 1_431_856_203_123,
  offsets: [1_007, 1_500, 70_000_000_000],
  lengths: [0, 300, 65_536],
  cut: [2],
};

export const BEAT_V1: Beat = {
  agent: AGENT,
  log: 'f'.repeat(32),
  tMs: 1_431_856_203_000,
  isFull: true,
  hasEnded: false,
  sources: [
    {
      number: 12,
      identity: '0123456789abcdef',
      origin: 7,
      position: 70_010_000_000,
      tail: 'bbbbbbbbbbbbbbbb',
      state: 'closed',
      quietSinceMs: 1_431_856_202_000,
      path: '/var/log/nginx/accès.log.1',
      input: 'web',
      kind: 'file',
      sum: { lines: 3, a: 4_294_967_295, b: 0 },
      possibleLossBytes: 17,
      possibleDoubleBytes: 19,
    },
  ],
  part: 1,
  parts: 2,
};

export const CONTROL_V1: Control = {
  type: 'declared_loss',
  source: `${AGENT}/12`,
  from: 5,
  to: 70_000_000_000,
  tail: 'cccccccccccccccc',
};

export const GENESIS_V1: Genesis = { log: 'f'.repeat(32) };

export const EPOCH_V1: Epoch = {
  envelope: {
    id: '1'.repeat(32),
    prev: '0'.repeat(32),
    task: { pipeline: 'web', stream: 'access', partition: 3 },
    n: 41,
    from: 100,
    to: 120,
    rawLog: 'f'.repeat(32),
    rawId: '0123456789abcdef',
    isSnapshot: true,
    generation: 2,
    otherLines: { traffic: 12 },
    possibleLossBytes: 5,
    possibleDoubleBytes: 17,
    part: 0,
    parts: 1,
  },
  body: bodyOf({
    watermarkMs: 1_431_856_199_999,
    logTimeMs: 12_345.5,
    lastAppendedAtMs: 1_431_856_203_500,
    agents: [
      { agent: AGENT, numberMax: 12, tMs: 1_431_856_203_000, logTimeMs: 12_000, hasEnded: false, fullBeatOffset: 99 },
    ],
    sources: [
      {
        source: `${AGENT}/12`,
        identity: '0123456789abcdef',
        path: '/var/log/nginx/access.log',
        origin: 7,
        position: 1_000,
        tail: 'aaaaaaaaaaaaaaaa',
        state: 'gap',
        eventTimeMsMax: 1_431_856_200_000,
        quietSinceMs: 1_431_856_202_000,
        gapEnd: 2_000,
        agentSum: { lines: 3, a: 1, b: 2 },
        possibleLossBytes: 17,
        possibleDoubleBytes: 19,
      },
    ],
    ledger: [
      {
        source: `${AGENT}/12`,
        consumer: 'traffic',
        fate: 'late',
        reason: '',
        sum: { lines: 1, a: 2, b: 4_294_967_295 },
      },
    ],
    upserts: [
      rowsOf('traffic', [
        {
          startMs: -60_000,
          endMs: 0,
          key: ['/é', 200],
          accumulators: [12.5, 3],
          lines: 3,
          revision: 1,
          sumA: 4_294_967_295,
          sumB: 7,
        },
        { startMs: 0, endMs: 60_000, key: [null, null], accumulators: [Number.NaN, 0], lines: 1 },
        { startMs: 0, endMs: 60_000, key: ['', -0.5], accumulators: [-1, 1], lines: 2 },
        { startMs: 0, endMs: 60_000, key: [null, null], accumulators: [5, 1], lines: 1, isOther: true },
      ]),
    ],
    late: [
      {
        source: `${AGENT}/12`,
        offset: 70_000_000_000,
        eventTimeMs: -1,
        rollup: 'traffic',
        windowStartMs: -60_000,
        windowEndMs: 0,
        watermarkMs: 0,
        key: ['/é', null],
      },
    ],
    deadLetters: [
      {
        source: `${AGENT}/12`,
        offset: 8,
        reason: 'malformed',
        path: '/var/log/nginx/accès.log',
        detail: 'http.request.method: column 48: no closing quote',
        bytes: Uint8Array.of(0, 255, 10),
        isCut: true,
        lengthBytes: 5_000,
      },
      {
        source: `${AGENT}/12`,
        offset: 9,
        reason: 'future',
        path: '',
        detail: '',
        bytes: new Uint8Array(0),
        isCut: false,
        lengthBytes: 0,
      },
    ],
    refusals: [{ rawOffset: 7, source: '', reason: 'damaged', start: 0, end: 0 }],
    pipeline: pipelineOf(),
    fingerprints: { traffic: '0123456789abcdef' },
    rollupSinceMs: { traffic: 60_000 },
    historyFrom: 50,
  }),
};

/** The bytes of a format as a released version wrote them. */
export function formatFixture(file: string): Uint8Array {
  return readFileSync(new URL(`../fixtures/format/${file}`, import.meta.url));
}
