// Mutated bytes for every decoder that reads what a peer has written: no crash, no bug of ours, no hang. `make soak` tries each 100,000 times.
import { createRequire } from 'node:module';
import { crc32, gzipSync } from 'node:zlib';
import { describe, expect, test } from '@jest/globals';
import { AnswerFrames } from '../../src/broker/kafka/answer-frames.ts';
import { crc32c } from '../../src/broker/kafka/crc32c.ts';
// Its decoder is held to bounds by this module.
import '../../src/broker/kafka/kafkajs.ts';
import { batchAt, batchesFrom, batchesOf, checkBatch } from '../../src/broker/kafka/record-batch.ts';
import { RecordCursor, recordsOf } from '../../src/broker/kafka/record-cursor.ts';
import { decompress } from '../../src/broker/kafka/wire/compression.ts';
import { answerError } from '../../src/broker/kafka/wire/codes.ts';
import type { Api, Connection } from '../../src/broker/kafka/wire/connection.ts';
import { fetchRecords, produce } from '../../src/broker/kafka/wire/record-requests.ts';
import * as wire from '../../src/broker/kafka/wire/requests.ts';
import { WireReader } from '../../src/broker/kafka/wire/wire-bytes.ts';
import { decodeBody, decodeEnvelope, encodeEpoch } from '../../src/epoch/codec.ts';
import { seededRandom } from '../../src/lib/random.ts';
import { decodeBeat, encodeBeat } from '../../src/record/beat.ts';
import { decodeBlockHeader, encodeBlockHeader } from '../../src/record/block.ts';
import { decodeControl, decodeGenesis, encodeControl, encodeGenesis } from '../../src/record/control.ts';
import * as shapes from '../../src/sinks/elasticsearch/answer-shapes.ts';
import { judgeAnswer } from '../../src/sinks/elasticsearch/bulk-answer.ts';
import { decodedOrDamage } from '../support/damage.ts';
import { BEAT_V1, BLOCK_V1, CONTROL_V1, EPOCH_V1, GENESIS_V1 } from '../support/format-samples.ts';
import { encodeBatch } from '../support/record-batches.ts';

const COUNT = process.env['TAILRACE_SOAK'] === '1' ? 100_000 : 4_000;
/** Of the processor: a machine that does something else meanwhile is no hang. */
const CALL_MS_MAX = 1000;
const NASTY = [0, 1, 0x7f, 0x80, 0xff];
const NUMBERS = [0xffff_ffff, 0x7fff_ffff, 0x8000_0000, 0xffff_fffe, 0, 1, 1_000_000];

type Mutate = (sample: Buffer) => Buffer;

function mutations(seed: number): Mutate {
  const random = seededRandom(seed);
  const below = (count: number): number => Math.floor(random.next() * count);
  return (sample) => {
    const bytes = Buffer.from(sample);
    for (let times = 1 + below(4); times > 0 && bytes.length > 0; times--) {
      const at = below(bytes.length);
      const kind = below(5);
      if (kind === 0) bytes[at]! ^= 1 << below(8);
      else if (kind === 1) bytes[at] = NASTY[below(NASTY.length)]!;
      else if (kind === 2 && bytes.length >= at + 4) bytes.writeUInt32BE(NUMBERS[below(NUMBERS.length)]!, at);
      else if (kind === 3) bytes[at] = below(256);
      else bytes.copyWithin(at, below(bytes.length), below(bytes.length));
    }
    return below(4) === 0 ? bytes.subarray(0, below(bytes.length + 1)) : bytes;
  };
}

/** Small numbers, as those of an answer are: so that lengths and counts often fit. */
function smallNumbers(seed: number): () => Buffer {
  const random = seededRandom(seed);
  return () =>
    Buffer.from(
      Array.from({ length: Math.floor(random.next() * 64) }, () =>
        random.next() < 0.8 ? 0 : Math.floor(random.next() * 6),
      ),
    );
}

async function timed(decode: () => unknown): Promise<void> {
  const before = process.cpuUsage();
  await decode();
  const { user, system } = process.cpuUsage(before);
  const cpuMs = (user + system) / 1000;
  if (cpuMs > CALL_MS_MAX) throw new Error(`a decoder took ${Math.round(cpuMs)} ms`);
}

async function tryAll(samples: readonly Buffer[], decode: (bytes: Buffer) => unknown, seed = 1): Promise<void> {
  const mutate = mutations(seed);
  for (let count = 0; count < COUNT; count++) {
    const bytes = mutate(samples[count % samples.length]!);
    await timed(() => decodedOrDamage(() => decode(bytes), bytes));
  }
}

const LIMIT_MS = process.env['TAILRACE_SOAK'] === '1' ? 1_800_000 : 120_000;

describe('formats of the log', () => {
  const [part] = encodeEpoch(EPOCH_V1);
  const envelope = Buffer.from(part!.header);
  const body = Buffer.from(Buffer.concat(encodeEpoch(EPOCH_V1).map(({ value }) => value)));
  test.each<[string, Uint8Array, (bytes: Buffer) => unknown]>([
    ['block', encodeBlockHeader(BLOCK_V1), decodeBlockHeader],
    ['beat', encodeBeat(BEAT_V1), decodeBeat],
    ['control', encodeControl(CONTROL_V1), decodeControl],
    ['genesis', encodeGenesis(GENESIS_V1), decodeGenesis],
    ['envelope', envelope, decodeEnvelope],
    ['epoch body', body, decodeBody],
  ])('%s', async (_, sample, decode) => tryAll([Buffer.from(sample)], decode), LIMIT_MS);

  test(
    'epoch body under a checksum that fits',
    async () => {
      const inner = body.subarray(0, body.length - 4);
      await tryAll([inner], (bytes) => {
        const whole = Buffer.alloc(bytes.length + 4);
        bytes.copy(whole);
        whole.writeUInt32LE(crc32(bytes), bytes.length);
        return decodeBody(whole);
      });
    },
    LIMIT_MS,
  );
});

describe('record batches', () => {
  const records = [
    {
      offset: 5,
      value: 'a line of a log',
      key: 'k',
      headers: [
        ['a', 'b'],
        ['c', null],
      ] as const,
    },
    { offset: 6, value: null },
    { offset: 9, value: 'x'.repeat(300) },
  ];
  const batches = (['none', 'gzip', 'zstd'] as const).map((codec) => encodeBatch({ records, codec }));
  /** The batch's own length and checksum as they should be: what is wrong is behind them. */
  const mended = (bytes: Buffer): Buffer => {
    if (bytes.length < 61) return bytes;
    bytes.writeInt32BE(bytes.length - 12, 8);
    bytes.writeInt8(2, 16);
    bytes.writeUInt32BE(crc32c(bytes.subarray(21)), 17);
    return bytes;
  };

  test(
    'of our own topics',
    async () => {
      const mutate = mutations(2);
      for (let count = 0; count < COUNT; count++) {
        const bytes = mutate(batches[count % 3]!);
        const set = count % 2 === 0 ? bytes : mended(Buffer.from(bytes));
        await timed(async () => {
          decodedOrDamage(() => batchesFrom(set, 7), set);
          const found = decodedOrDamage(() => [...batchesOf(set)], set);
          if (!(found instanceof Error)) for (const batch of found) await recordsOf(batch);
        });
      }
    },
    LIMIT_MS,
  );

  test(
    'of topics of others',
    async () => {
      const cursor = new RecordCursor();
      const read = (bytes: Buffer): void => {
        const batch = batchAt(bytes, 0);
        if (batch === undefined) return;
        checkBatch(batch);
        cursor.open(batch);
        while (cursor.next())
          cursor.eachHeader((name, nameLength, value) => expect(name + nameLength).toBeLessThanOrEqual(value));
      };
      await tryAll(batches, read, 3);
      await tryAll(batches, (bytes) => read(mended(Buffer.from(bytes))), 4);
    },
    LIMIT_MS,
  );

  test.each([
    ['gzip', 1, gzipSync('some text that is packed, some text that is packed')],
    ['snappy', 2, Buffer.from('1e1061626364650500 0d010e0501'.replaceAll(' ', ''), 'hex')],
    ['lz4', 3, Buffer.from('04224d186440a7 0b000000 5061626364650500 5061626364 00000000'.replaceAll(' ', ''), 'hex')],
  ] as const)(
    '%s',
    async (_, codec, sample) => {
      const mutate = mutations(5);
      for (let count = 0; count < COUNT; count++) {
        const bytes = mutate(sample);
        await timed(() => {
          try {
            expect(decompress(codec, bytes).length).toBeLessThanOrEqual(64 * 1024 * 1024);
          } catch (error) {
            // zlib's own errors have codes; any other is one of bounds.
            if (!(error instanceof RangeError) && (error as { code?: unknown }).code === undefined) throw error;
          }
        });
      }
    },
    LIMIT_MS,
  );
});

describe('answers of brokers', () => {
  const load = createRequire(import.meta.url);
  const APIS: readonly (readonly [string, number])[] = [
    ['apiVersions', 1],
    ['createTopics', 2],
    ['deleteRecords', 1],
    ['describeConfigs', 1],
    ['deleteGroups', 1],
    ['initProducerId', 1],
    ['addPartitionsToTxn', 1],
    ['endTxn', 1],
    ['joinGroup', 5],
    ['syncGroup', 2],
    ['heartbeat', 2],
    ['leaveGroup', 2],
    ['saslHandshake', 1],
    ['saslAuthenticate', 0],
  ];
  const responses = APIS.map(
    ([name, version]) => [name, load(`kafkajs/src/protocol/requests/${name}/v${version}/response`)] as const,
  );

  // What they throw is made one error by the connection, whatever it is: here they have to end, and take no memory.
  test.each(responses)(
    '%s',
    async (_, { decode, parse }) => {
      const draw = smallNumbers(6);
      const mutate = mutations(7);
      for (let count = 0; count < COUNT; count++) {
        const bytes = mutate(draw());
        await timed(async () => {
          try {
            await parse(await decode(bytes));
          } catch {
            // Named elsewhere.
          }
        });
      }
    },
    LIMIT_MS,
  );

  test(
    'that are read here, in both dialects',
    async () => {
      const draw = smallNumbers(8);
      const settings = { waitMs: 0, bytesMax: 1, partitionBytesMax: 1, isolation: 'read_committed' } as const;
      const places = ['0'.repeat(32), ''].map((topicId) => ({ topic: 't', topicId, partition: 0, offset: 0 }));
      const mutate = mutations(9);
      for (let count = 0; count < COUNT; count++) {
        const bytes = mutate(draw());
        const connection = {
          name: 'a:1',
          // The newer dialect where there is one, and the older.
          choose: (...apis: Api[]) => apis.at(count % 2 === 0 ? 0 : -1),
          check: (code: number, where = 'a:1') => {
            if (code !== 0) throw answerError(code, where);
          },
          send: async (api: Api, _write: unknown, read: (answer: WireReader) => unknown) =>
            read(new WireReader(bytes, api.isFlexible)),
        } as unknown as Connection;
        for (const ask of [
          () => wire.metadata(connection, undefined),
          () => wire.metadata(connection, ['t']),
          () => wire.offsetsAt(connection, 't', [0], 0, 'read_committed'),
          () => wire.rangesOf(connection, 't', [0]),
          () => wire.findCoordinator(connection, 'g', 'group'),
          () => wire.commitOffsets(connection, 'g', new Map()),
          () => fetchRecords(connection, [places[count % 2]!], settings),
          () => produce(connection, 't', 0, Buffer.alloc(1), 1),
        ]) {
          await timed(async () => {
            const error = await ask().then(
              () => undefined,
              (thrown: unknown) => thrown,
            );
            if (error !== undefined)
              decodedOrDamage(() => {
                throw error;
              }, bytes);
          });
        }
      }
    },
    LIMIT_MS,
  );

  test(
    'frames',
    async () => {
      await tryAll([Buffer.concat([Buffer.from('0000000600000001', 'hex'), Buffer.from('ab')])], (bytes) =>
        new AnswerFrames(1000, (id) => (id < 3 ? 100 : undefined)).push(bytes, (_, body) =>
          expect(body.length).toBeLessThan(100),
        ),
      );
    },
    LIMIT_MS,
  );
});

test(
  'answers of Elasticsearch',
  async () => {
    const item = {
      create: { _id: 'a', status: 400, error: { type: 't', reason: 'field [x]', caused_by: { reason: 'r' } } },
    };
    const sample = {
      items: [item, item],
      docs: [{ found: true, _source: { tailrace: { status: 'open', cells: {}, parts: [] } } }],
      hits: { total: { value: 1 }, hits: [{ _index: 'i', sort: [1] }] },
    };
    const known = [
      shapes.HEALTH,
      shapes.POINT_IN_TIME,
      shapes.INDICES,
      shapes.HITS,
      shapes.SUMS,
      shapes.TEMPLATES,
      shapes.STORED_ROW,
      shapes.BULK,
      shapes.DOCUMENTS,
    ];
    await tryAll([Buffer.from(JSON.stringify(sample))], (bytes) => {
      const answer: unknown = JSON.parse(bytes.toString('utf8'));
      judgeAnswer(answer, 2, () => 'a');
      for (const shape of known) decodedOrDamage(() => shapes.checked<unknown>(shape, answer, 'x'), bytes);
    });
  },
  LIMIT_MS,
);
