import { describe, expect, it } from '@jest/globals';
import { viewOf } from '../../../src/expressions/emit/bytes.ts';
import { TextMemo } from '../../../src/expressions/emit/memo.ts';
import { interpreter } from '../../../src/expressions/interpret.ts';
import type { Tree, Value } from '../../../src/expressions/tree.ts';
import { seededRandom } from '../../../src/lib/random.ts';
import { textOf } from '../../../src/lib/text.ts';
import { Batch } from '../../../src/record/batch.ts';
import { treesOf } from '../../support/expressions/oracle.ts';

/** A memo over batches of texts, and how often it asked the interpreter. */
class Bench {
  evaluations = 0;
  readonly #memo: TextMemo;
  readonly #tree: Tree;

  constructor(tree: Tree) {
    this.#tree = tree;
    this.#memo = new TextMemo(tree, (of, notes) => {
      const interpret = interpreter(of, notes);
      return (valueOf) => {
        this.evaluations++;
        return interpret(valueOf);
      };
    });
  }

  /** What the memo says of each text of a batch, every other one in its scratch. */
  run(texts: readonly (Buffer | null)[]): unknown[] {
    const batch = new Batch([]);
    batch.reset(Buffer.concat(texts.map((text) => text ?? Buffer.alloc(0))), texts.length);
    const memo = this.#memo;
    memo.begin(batch);
    let at = 0;
    const cells = texts.map((text, i) => {
      const start = i % 2 === 0 ? at : -1 - batch.appendScratch(text ?? Buffer.alloc(0));
      at += text?.length ?? 0;
      return { start, length: text?.length ?? -1 };
    });
    const found = cells.map(({ start, length }) => {
      const array = start >= 0 ? batch.bytes : batch.scratch;
      const place = memo.find(array, viewOf(array), start >= 0 ? start : -1 - start, start, length);
      const { lost, start: from, length: size } = memo;
      return place < 0 ? 'beyond' : { lost, from, size, value: memo.values[place] };
    });
    return found.map((result) => {
      if (result === 'beyond') return result;
      const { lost, from, size, value } = result;
      const array = from >= 0 ? batch.bytes : batch.scratch;
      const begin = from >= 0 ? from : -1 - from;
      const text = size < 0 ? null : Buffer.from(array.subarray(begin, begin + size)).toString();
      return [this.#tree.type === 'text' ? text : Number.isNaN(value) ? null : value, lost];
    });
  }

  expected(texts: readonly (Buffer | null)[]): unknown[] {
    let lost = 0;
    const interpret = interpreter(this.#tree, {
      lost: () => {
        lost = 1;
        return null;
      },
    });
    return texts.map((text) => {
      lost = 0;
      const value: Value = interpret(() => (text === null ? null : textOf(text)));
      if (typeof value === 'bigint' && !Number.isSafeInteger(Number(value))) return 'beyond';
      return [value === null || typeof value === 'string' ? value : Number(value), lost];
    });
  }
}

async function benchOf(text: string): Promise<Bench> {
  const [tree] = (await treesOf([text])) as [Tree];
  return new Bench(tree);
}

const bytesOf = (texts: readonly string[]): Buffer[] => texts.map((text) => Buffer.from(text));

describe('a memo of texts', () => {
  it.each([
    "split_part(url.path, '/', 2)",
    'upper(url.path)',
    "replace(url.path, 'a', 'bcd')",
    'cast(url.path as boolean)',
    'length(upper(url.path)) * 1000000000000000',
    "coalesce(nullif(lower(url.path), ''), 'nothing')",
  ])('says of %s what the interpreter says, however many there are', async (text) => {
    const bench = await benchOf(text);
    const random = seededRandom(7);
    const few = bytesOf([
      '',
      'a',
      'ab',
      'abc',
      'true',
      '/api/items',
      '/api/é',
      '/Api/Items/1',
      'x'.repeat(511),
      'A'.repeat(513),
    ]);
    const odd = [null, Buffer.from('61ff', 'hex'), Buffer.from('a\\xff'), Buffer.from('/a/'.repeat(2000))];
    for (let round = 0; round < 4; round++) {
      const texts = Array.from({ length: 1500 }, () => {
        const at = random.next();
        if (at < 0.5) return few[Math.floor(random.next() * few.length)]!;
        if (at < 0.6) return odd[Math.floor(random.next() * odd.length)]!;
        return Buffer.from(`/aB/${Math.floor(random.next() ** 3 * 9000)}${'y'.repeat(random.next() * 300)}`);
      });
      expect(bench.run(texts)).toEqual(bench.expected(texts));
    }
  });

  it('asks once a text, batch after batch', async () => {
    const bench = await benchOf('upper(url.path)');
    const texts = bytesOf(Array.from({ length: 1000 }, (_, i) => `/path/${i}`));
    bench.run(texts);
    bench.run([...texts, ...texts]);
    expect(bench.evaluations).toBe(1000);
    bench.run([null, null]);
    expect(bench.evaluations).toBe(1001);
  });

  it('begins anew where it is full, by number and by bytes', async () => {
    for (const size of [1, 400]) {
      const bench = await benchOf('upper(url.path)');
      const hot = bytesOf(['/hot']);
      let number = 0;
      const fresh = (): Buffer => Buffer.from(`/${number++}`.padEnd(size, 'z'));
      const lines = Array.from({ length: 16_384 }, (_, i) => (i % 2 === 0 ? hot[0]! : fresh()));
      bench.run(lines);
      expect(bench.evaluations - number).toBeGreaterThan(1);
      expect(bench.evaluations - number).toBeLessThan(10);
    }
  });

  it('looks for nothing for a while where most texts are new', async () => {
    const bench = await benchOf('upper(url.path)');
    const hot = bytesOf(['/hot']);
    let number = 0;
    bench.run(Array.from({ length: 4096 }, () => Buffer.from(`/${number++}`)));
    bench.run(hot);
    bench.run(hot);
    expect(bench.evaluations).toBe(4098);
    bench.run(Array.from({ length: 16 * 4096 }, () => hot[0]!));
    const { evaluations } = bench;
    bench.run(Array.from({ length: 1000 }, () => hot[0]!));
    expect(bench.evaluations).toBe(evaluations);
  });
});
