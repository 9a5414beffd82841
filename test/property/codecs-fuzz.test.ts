import { expect, test } from '@jest/globals';
import type { CodecDefinition } from '../../src/codecs/codec.ts';
import { COMPONENTS } from '../../src/components.ts';
import { blockOf, decodeBlock, requestAll } from '../support/decoded.ts';
import { Random } from '../support/random.ts';

const LINES = process.env['TAILRACE_SOAK'] === '1' ? 1_000_000 : 100_000;
const BATCH = 1_000;
/** A line may take so long at most, also on a slow machine. */
const LINE_MS_MAX = 50;
const TROUBLE = [
  ' ',
  '"',
  '\\',
  '[',
  ']',
  ':',
  ',',
  '-',
  '\t',
  '\r',
  '\x01',
  '\xef\xbb\xbf',
  '{',
  '}',
  '9',
  '%',
  '\xff',
];

function mutated(random: Random, line: string): string {
  let text = line;
  for (let edits = 1 + random.below(4); edits > 0; edits--) {
    const at = random.below(text.length + 1);
    const piece = random.chance(0.7) ? random.pick(TROUBLE) : String.fromCharCode(11 + random.below(245));
    const kind = random.below(5);
    if (kind === 0) text = text.slice(0, at);
    else if (kind === 1) text = text.slice(0, at) + text.slice(at + 1 + random.below(9));
    else if (kind === 2) text = text.slice(0, at) + text.slice(random.below(text.length + 1));
    else
      text = text.slice(0, at) + piece.repeat(random.chance(0.02) ? 3_000 : 1) + text.slice(at + (kind === 3 ? 1 : 0));
  }
  return text;
}

test.each(
  (Object.values(COMPONENTS.codecs) as unknown as readonly CodecDefinition[]).map(
    (codec) => [codec.type, codec] as const,
  ),
)(
  `%s: ${LINES} mutated lines are read alike by the generated and the plain decoder, none of them slowly by the former`,
  (_, codec) => {
    const random = new Random(20);
    const [{ options: given }] = codec.examples as unknown as [{ options: unknown }];
    const options = codec.options.parse(given);
    const seeds = Object.values(COMPONENTS.codecs).flatMap(({ examples }) =>
      examples.map(({ line }) => Buffer.from(line).toString('latin1')),
    );
    const own = codec.examples.map(({ line }) => Buffer.from(line).toString('latin1'));
    const request = requestAll(codec, options);
    const decoders = [codec.compile(options, request), codec.interpret(options, request)] as const;
    /** The least of three: whatever else the machine does is not the line's. */
    const msOf = (line: string): number => {
      const took = Array.from({ length: 3 }, () => {
        const startedMs = performance.now();
        decodeBlock(decoders[0], blockOf([line]), request);
        return performance.now() - startedMs;
      });
      return Math.min(...took);
    };
    for (let done = 0; done < LINES; done += BATCH) {
      const lines = Array.from({ length: BATCH }, () =>
        mutated(random, random.pick(random.chance(0.9) ? own : seeds)).replaceAll('\n', ''),
      );
      const block = blockOf(lines);
      const startedMs = performance.now();
      const generated = decodeBlock(decoders[0], block, request);
      // No line of a faster batch can have taken so long; of a slower one each is read again alone.
      const isSlow = performance.now() - startedMs >= LINE_MS_MAX;
      const plain = decodeBlock(decoders[1], block, request);
      if (isSlow) for (const line of lines) expect(msOf(line)).toBeLessThan(LINE_MS_MAX);
      for (let i = 0; i < BATCH; i++) {
        if (JSON.stringify(generated[i]) !== JSON.stringify(plain[i])) expect(generated[i]).toEqual(plain[i]);
      }
    }
  },
  1_200_000,
);
