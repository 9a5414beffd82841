// Nothing of an expression reaches the text of its generated code but numbers (docs/decisions/0004-generated-code.md).
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { generatedColumn } from '../../src/expressions/compile.ts';
import * as tools from '../../src/expressions/emit/bytes.ts';
import { EMITTERS } from '../../src/expressions/emit/emitters.ts';
import { FORMS } from '../../src/expressions/forms.ts';
import type { Tree } from '../../src/expressions/tree.ts';
import { FIELDS, type GeneratedType, expressions } from '../support/expressions/grammar.ts';
import { treesOf } from '../support/expressions/oracle.ts';
import { RULES } from '../support/expressions/rules.ts';

const RESULTS: readonly GeneratedType[] = ['boolean', 'long', 'double', 'text', 'time'];
const NAMES = Object.keys(FIELDS);
const FORM_NAMES = new Set(FORMS.map(({ name }) => name));

/** What would be seen if it came through: words of its own, quotes, ends of lines, comments, templates. */
const EVIL = [
  "evil'); globalThis.evil = 1; ('",
  'evil`${globalThis.evil = 1}`',
  'evil\n; globalThis.evil = 1; //\u2028',
  '*/ globalThis.evil = 1 /*',
  '\\x27;evil%',
  '%evil_%',
  '(evil)\\1',
  '$.evil[0]',
];

const WORDS = new Set([
  ...Object.keys(tools),
  ...`array at bytes break batch begin columns const continue else false fast find for getInt32 i if into lengths let literals lost memos n new out outLength
  outRest outStart abs floor trunc ceil sqrt log log2 log10 exp round sign max min return rest row slow start length scratch scratchLength scratchView bytesView values verdict tools
  true undefined use strict function column appendScratch hasRoom reserveScratch lines Math NaN e set subarray
  needles isIn sourceURL generated expression js`.split(/\s+/),
]);
const LOCAL = /^(?:n|s|l|o|p|a|v|b|k|text|memo|needle|values|start|length)\d+$/;

/** Words of the text that are not this repository's. */
function strangersIn(text: string): string[] {
  return [
    ...text
      .replaceAll(/\d+(?:\.\d+)?(?:e[+-]?\d+)?\b/gi, (number, at: number) =>
        /\w/.test(text[at - 1] ?? ' ') ? number : ' ',
      )
      .matchAll(/[A-Za-z_$\u0080-\uffff][\w$\u0080-\uffff]*|["`\\]/g),
  ]
    .map(([word]) => word)
    .filter((word) => !WORDS.has(word) && !LOCAL.test(word));
}

const READ: Readonly<Record<string, number>> = { cast: 1, date_trunc: 0, date_part: 0 };

/** The tree with an evil text for each of its texts, and in the name of each field. */
function poisoned(tree: Tree, evil: string): Tree {
  if (tree.kind === 'field') return { ...tree, name: `${tree.name} ${evil}` };
  if (tree.kind === 'constant')
    return typeof tree.value === 'string' && tree.type !== 'long' ? { ...tree, value: evil } : tree;
  // The names of a cast's type and of a unit of time are none of the user's: `resolve` knows them.
  const isRead = (arg: number): boolean => arg === READ[tree.form];
  return { ...tree, args: tree.args.map((arg, i) => (isRead(i) ? arg : poisoned(arg, evil))) };
}

describe('the text of generated expressions', () => {
  it('holds no words but its own, whatever the expression says', async () => {
    const rules = RULES.filter(({ form }) => EMITTERS.has(form));
    const oneOf = fc.constantFrom(...RESULTS).chain((type) => expressions(rules, type));
    const trees = await treesOf(fc.sample(oneOf, { numRuns: 2000, seed: 1 }).map(({ text }) => text));
    const met = new Set<string>();
    const visit = (tree: Tree): void => {
      if (tree.kind !== 'call') return;
      met.add(tree.form);
      tree.args.forEach(visit);
    };
    let generated = 0;
    for (const [i, tree] of trees.entries()) {
      const evil = EVIL[i % EVIL.length]!;
      const columnOf = (name: string): number => NAMES.findIndex((of) => name.startsWith(`${of} `));
      const text = generatedColumn(poisoned(tree, evil), columnOf)?.text;
      if (text === undefined) continue;
      generated++;
      visit(tree);
      expect({ tree, strangers: strangersIn(text) }).toEqual({ tree, strangers: [] });
    }
    expect(generated).toBeGreaterThan(1000);
    expect([...EMITTERS.keys()].filter((form) => !met.has(form) && FORM_NAMES.has(form))).toEqual([]);
    expect(globalThis).not.toHaveProperty('evil');
  });

  it('would show what it must not hold', () => {
    expect(strangersIn('const n1 = 1e+300 + 5; evil(`x`)')).toEqual(['evil', '`', 'x', '`']);
  });

  it('is the same for the same expression', async () => {
    const [tree] = (await treesOf(["url.path in ('a', 'b') and size > 5"])) as [Tree];
    const text = (): string | undefined => generatedColumn(tree, (name) => NAMES.indexOf(name))?.text;
    expect(text()).toBe(text());
  });
});
