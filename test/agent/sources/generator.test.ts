import { describe, expect, test } from '@jest/globals';
import { createHash } from 'node:crypto';
import { GeneratorTruth } from '../../../src/agent/sources/generator-truth.ts';
import { type GeneratorOptions, LineGenerator, STATUSES } from '../../../src/agent/sources/generator.ts';
import { combined } from '../../../src/codecs/combined.ts';
import { common } from '../../../src/codecs/common.ts';
import { seededRandom } from '../../../src/lib/random.ts';
import { type DecodedLine, decodeBlock, requestAll } from '../../support/decoded.ts';

const START_MS = Date.UTC(2026, 0, 1, 10);
const PLAIN: GeneratorOptions = {
  format: 'combined',
  startMs: START_MS,
  stepMs: 20,
  paths: 50,
  clients: 1000,
  lateShare: 0,
  lateMs: 0,
  dupShare: 0,
};
const TROUBLE = { lateShare: 0.05, lateMs: 90_000, dupShare: 0.02, burst: { afterMs: 20_000, forMs: 40_000 } };

function make(options: Partial<GeneratorOptions>, lines: number, chunkLines = lines, truth?: GeneratorTruth): Buffer {
  const generator = new LineGenerator({ ...PLAIN, ...options }, seededRandom(42), truth);
  const chunks: Buffer[] = [];
  while (generator.made < lines) chunks.push(Buffer.from(generator.next(Math.min(chunkLines, lines - generator.made))));
  return Buffer.concat(chunks);
}

function decode(bytes: Buffer, lines: number, codec = combined): DecodedLine[] {
  const request = requestAll(codec, {});
  return decodeBlock(codec.compile({}, request), { bytes, lines, start: 0 }, request);
}

test('the same seed and options make the same bytes, for ever and in chunks of any size', () => {
  const bytes = make(TROUBLE, 20_000);
  expect(createHash('sha256').update(bytes).digest('hex').slice(0, 16)).toBe('175451efd453dcf5');
  expect(make(TROUBLE, 20_000, 7).equals(bytes)).toBe(true);
});

test('every line is one of its format, about 180 bytes long', () => {
  const lines = 20_000;
  const bytes = make(TROUBLE, lines);
  expect(decode(bytes, lines).filter(({ reason }) => reason !== 'none')).toEqual([]);
  expect(bytes.length / lines).toBeGreaterThan(170);
  expect(bytes.length / lines).toBeLessThan(200);
  expect(decode(make({ format: 'common' }, 500), 500, common).every(({ reason }) => reason === 'none')).toBe(true);
});

describe('a plain log', () => {
  const decoded = decode(make({}, 30_000), 30_000);

  test('grows evenly from its start', () => {
    expect(decoded.map(({ eventTimeMs }) => eventTimeMs)).toEqual(
      decoded.map((_, i) => START_MS + Math.floor((i * 20) / 1000) * 1000),
    );
  });

  test('asks for paths by Zipf’s law, from addresses kept for documentation', () => {
    const counts = new Map<unknown, number>();
    for (const { record } of decoded) counts.set(record['url.path'], (counts.get(record['url.path']) ?? 0) + 1);
    const harmonic = Array.from({ length: 50 }, (_, i) => 1 / (i + 1)).reduce((sum, share) => sum + share, 0);
    expect(counts.size).toBe(50);
    expect(counts.get('/')! / decoded.length).toBeCloseTo(1 / harmonic, 1);
    const addresses = new Set(decoded.map(({ record }) => String(record['source.ip'])));
    expect(addresses.size).toBe(1000);
    for (const address of addresses) expect(address).toMatch(/^(192\.0\.2|198\.51\.100|203\.0\.113)\.\d+$|^2001:db8::/);
  });

  test('has every status, and no body where nothing changed', () => {
    expect(new Set(decoded.map(({ record }) => record['http.response.status_code']))).toEqual(new Set(STATUSES));
    for (const { record } of decoded) {
      expect(record['http.response.body.bytes'] === null).toBe(record['http.response.status_code'] === 304);
    }
  });
});

test('a share of lines is late, repeated, and failing in the burst', () => {
  const lines = 30_000;
  const bytes = make(TROUBLE, lines);
  const decoded = decode(bytes, lines);
  const texts = bytes.toString('latin1').split('\n');
  const repeated = decoded.filter((_, i) => i > 0 && texts[i] === texts[i - 1]).length;
  expect(repeated / lines).toBeCloseTo(TROUBLE.dupShare, 2);
  const behindMs = decoded.map(({ eventTimeMs }, i) => START_MS + i * 20 - eventTimeMs!);
  expect(behindMs.filter((ms) => ms >= 1000).length / lines).toBeCloseTo(TROUBLE.lateShare, 2);
  expect(Math.max(...behindMs)).toBeLessThanOrEqual(TROUBLE.lateMs + 1000 + 20);
  const failedShare = (from: number, to: number) =>
    decoded.slice(from / 20, to / 20).filter(({ record }) => Number(record['http.response.status_code']) >= 500)
      .length /
    ((to - from) / 20);
  expect(failedShare(20_000, 60_000)).toBeCloseTo(0.6, 1);
  expect(failedShare(60_000, 600_000)).toBeLessThan(0.05);
});

test('the truth is what counting the decoded lines in order gives', () => {
  const lines = 20_000;
  const [windowMs, outOfOrdernessMs] = [10_000, 30_000];
  const truth = new GeneratorTruth({ windowMs, outOfOrdernessMs });
  const decoded = decode(make(TROUBLE, lines, lines, truth), lines);
  const rows: Record<string, { requests: number; bytes: number | null }> = {};
  const late: Record<string, number> = {};
  let newestMs = -Infinity;
  for (const { record, eventTimeMs } of decoded) {
    const windowStart = eventTimeMs! - (eventTimeMs! % windowMs);
    const key = `${windowStart} ${record['url.path']} ${record['http.response.status_code']}`;
    if (windowStart + windowMs <= newestMs - outOfOrdernessMs) late[key] = (late[key] ?? 0) + 1;
    else {
      const row = (rows[key] ??= { requests: 0, bytes: null });
      row.requests++;
      const bytes = record['http.response.body.bytes'];
      if (typeof bytes === 'number') row.bytes = (row.bytes ?? 0) + bytes;
    }
    newestMs = Math.max(newestMs, eventTimeMs!);
  }
  const generator = new LineGenerator(PLAIN, seededRandom(1));
  const json = JSON.parse([...truth.toJson(generator.paths)].join('')) as {
    lines: number;
    late_lines: number;
    rows: { window_start_ms: number; url_path: string; status_code: number; requests: number; bytes: number | null }[];
    late: { window_start_ms: number; url_path: string; status_code: number; lines: number }[];
  };
  const keyOf = (row: { window_start_ms: number; url_path: string; status_code: number }) =>
    `${row.window_start_ms} ${row.url_path} ${row.status_code}`;
  expect(json.lines).toBe(lines);
  expect(json.late_lines).toBeGreaterThan(100);
  expect(
    Object.fromEntries(json.rows.map((row) => [keyOf(row), { requests: row.requests, bytes: row.bytes }])),
  ).toEqual(rows);
  expect(Object.fromEntries(json.late.map((row) => [keyOf(row), row.lines]))).toEqual(late);
  expect(json.late.reduce((sum, row) => sum + row.lines, 0)).toBe(json.late_lines);
});
