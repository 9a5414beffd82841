// Nanoseconds a line of each codec on one core: the generated decoder, the plain one, and one regular expression per line. The
// machine's noise is one-sided, so the best of many short rounds is what is compared; the median is beside it.
import { LineGenerator } from '../../src/agent/sources/generator.ts';
import type { BlockLines, CodecDefinition, DecodeRequest, Decoder } from '../../src/codecs/codec.ts';
import { combined } from '../../src/codecs/combined.ts';
import { common } from '../../src/codecs/common.ts';
import { json } from '../../src/codecs/json.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { seededRandom } from '../../src/lib/random.ts';
import { Batch } from '../../src/record/batch.ts';

const BLOCKS = 8;
const ROUNDS = 60;
const TRAFFIC = ['url.path', 'http.response.status_code', 'http.response.body.bytes'];
const REGEX = /^(\S+) \S+ (\S+) \[([^\]]+)\] "(\S+) ([^ ?]+)[^"]*" (\d{3}) (\d+|-)/;

function accessBlocks(format: 'combined' | 'common'): BlockLines[] {
  const options = {
    format,
    startMs: 0,
    stepMs: 0.36,
    paths: 1000,
    clients: 1000,
    lateShare: 0.05,
    lateMs: 30_000,
    dupShare: 0,
  };
  const generator = new LineGenerator(options, seededRandom(1));
  return Array.from({ length: BLOCKS }, () => {
    const lines = format === 'combined' ? 2700 : 5000;
    return { bytes: Buffer.from(generator.next(lines)), lines, start: 0 };
  });
}

/** The same records as JSON, of 13 fields. */
function jsonBlocks(blocks: readonly BlockLines[]): BlockLines[] {
  return blocks.map(({ bytes }) => {
    const texts = Buffer.from(bytes).toString('latin1').trimEnd().split('\n');
    const lines = texts.slice(0, 2000).map((text, i) => {
      const [, address, , , method, path, status, size] = REGEX.exec(text)!;
      const http = {
        request: { method },
        response: { status_code: Number(status), body: { bytes: Number(size) || 0 } },
        version: '1.1',
      };
      return JSON.stringify({
        '@timestamp': new Date(i * 1000).toISOString(),
        level: 'info',
        logger: 'access',
        source: { ip: address },
        http,
        url: { path },
        user_agent: { original: 'Mozilla/5.0 (X11; Linux)' },
        tags: ['a', 'b'],
        duration: 0.25,
      });
    });
    return { bytes: Buffer.from(`${lines.join('\n')}\n`), lines: lines.length, start: 0 };
  });
}

function report(name: string, blocks: readonly BlockLines[], run: (block: BlockLines) => void, rounds = ROUNDS): void {
  const lines = blocks.reduce((sum, block) => sum + block.lines, 0);
  const bytes = blocks.reduce((sum, block) => sum + block.bytes.length, 0);
  for (let i = 0; i < rounds / 2; i++) blocks.forEach(run);
  const nanos = Array.from({ length: rounds }, () => {
    const startedMs = systemClock.monotonicMs();
    blocks.forEach(run);
    return ((systemClock.monotonicMs() - startedMs) * 1e6) / lines;
  }).sort((a, b) => a - b);
  const best = nanos[Math.floor(rounds / 20)]!;
  const figures = [best.toFixed(0), nanos[Math.floor(rounds / 2)]!.toFixed(0), (bytes / lines / best).toFixed(2)];
  console.log(
    `${name.padEnd(44)} best ${figures[0]!.padStart(5)} ns  median ${figures[1]!.padStart(5)} ns  ${figures[2]} GB/s  (${(bytes / lines).toFixed(0)} B a line)`,
  );
}

function bench<Options>(codec: CodecDefinition<Options>, options: Options, blocks: readonly BlockLines[]): void {
  const types = codec.fields(options);
  const requests: [string, readonly string[]][] = [
    ['path, status, bytes, time', TRAFFIC],
    ['all fields', Object.keys(types)],
  ];
  for (const [name, names] of requests) {
    const request: DecodeRequest = {
      eventTimeField: '@timestamp',
      fields: names.map((field) => ({ name: field, type: types[field]! })),
    };
    const into = (decoder: Decoder) => {
      const batch = new Batch(request.fields.map(({ type }) => type));
      return (block: BlockLines) => decoder(block, batch);
    };
    report(`${codec.type} generated: ${name}`, blocks, into(codec.compile(options, request)));
    report(`${codec.type} plain: ${name}`, blocks, into(codec.interpret(options, request)), 4);
  }
}

const accessLines = accessBlocks('combined');
bench(combined, {}, accessLines);
report(
  'one regular expression, 7 groups',
  accessLines,
  ({ bytes }) => {
    for (const line of Buffer.from(bytes).toString('latin1').split('\n')) REGEX.exec(line);
  },
  10,
);
bench(common, {}, accessBlocks('common'));
const fields = {
  '@timestamp': 'date',
  'url.path': 'keyword',
  'http.response.status_code': 'long',
  'http.response.body.bytes': 'long',
  'source.ip': 'ip',
  duration: 'double',
  'user_agent.original': 'keyword',
} as const;
const jsonLines = jsonBlocks(accessLines);
bench(json, { fields, time_format: 'iso' }, jsonLines);
report(
  'JSON.parse alone',
  jsonLines,
  ({ bytes }) => {
    for (const line of Buffer.from(bytes).toString('utf8').trimEnd().split('\n')) JSON.parse(line);
  },
  10,
);
