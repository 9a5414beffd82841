import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { AnswerFrames, BadFrame } from '../../../src/broker/kafka/answer-frames.ts';
import { frameOf } from '../../support/nonsense-server.ts';

const LIMIT = 64 * 1024 * 1024;
const frame = (correlationId: number, body: Uint8Array): Buffer => frameOf(4 + body.length, correlationId, body);

function pushed(
  pieces: readonly Buffer[],
  limitOf: (id: number) => number | undefined = () => LIMIT,
): [number, string][] {
  const frames = new AnswerFrames(LIMIT, limitOf);
  const taken: [number, string][] = [];
  for (const piece of pieces) frames.push(piece, (id, body) => taken.push([id, body.toString('hex')]));
  return taken;
}

test('answers come out as they went in, wherever they are cut', () => {
  const answers = fc.array(fc.tuple(fc.nat(), fc.uint8Array({ maxLength: 60 })), { maxLength: 6 });
  fc.assert(
    fc.property(answers, fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1 }), (wanted, cuts) => {
      const bytes = Buffer.concat(wanted.map(([id, body]) => frame(id, body)));
      const pieces: Buffer[] = [];
      for (let at = 0, cut = 0; at < bytes.length; cut++) {
        const length = cuts[cut % cuts.length]!;
        pieces.push(bytes.subarray(at, at + length));
        at += length;
      }
      expect(pushed(pieces)).toEqual(wanted.map(([id, body]) => [id, Buffer.from(body).toString('hex')]));
    }),
  );
});

test('a large answer takes memory as it comes, and is whole', () => {
  const body = Buffer.alloc(9 * 1024 * 1024, 7);
  const bytes = frame(1, body);
  const frames = new AnswerFrames(LIMIT, () => LIMIT);
  let taken: Buffer | undefined;
  for (let at = 0; at < bytes.length; at += 65_536)
    frames.push(bytes.subarray(at, at + 65_536), (_, found) => (taken = found));
  expect(taken?.equals(body)).toBe(true);
});

describe('what is no answer', () => {
  test.each([
    ['a negative length', frameOf(-1, 0), /-1 bytes/],
    ['a length without the number of a request', frameOf(3, 0), /3 bytes/],
    ['more than there may be', frameOf(LIMIT + 1, 0), /is the limit/],
    ['2 GB', frameOf(2 ** 31 - 1, 0), /2147483647 bytes/],
    ['a web server', Buffer.from('HTTP/1.1 400 Bad Request\r\n'), /web server/],
    ['the alert of a TLS listener', Buffer.from([0x15, 3, 3, 0, 2, 2, 40]), /encrypted/],
    ['an answer that nobody asked for', frameOf(4, 77), /request 77/],
    ['more than its kind may have', frameOf(1000, 1), /limit of its kind/],
  ])('%s', (_, bytes, message) => {
    const limitOf = (id: number): number | undefined => (id === 77 ? undefined : 100);
    expect(() => pushed([bytes], limitOf)).toThrow(BadFrame);
    expect(() => pushed([bytes], limitOf)).toThrow(message);
    // Byte by byte it is no better.
    expect(() =>
      pushed(
        [...bytes].map((byte) => Buffer.from([byte])),
        limitOf,
      ),
    ).toThrow(message);
  });
});
