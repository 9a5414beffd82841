import type { Batch, Column } from '../record/batch.ts';
import { type ColumnProgram, interpretedColumn, interpretedLine } from './column.ts';
import * as tools from './emit/bytes.ts';
import { Emitter, NoFastPath, type Slot, TAKE_SCRATCH, isUtf8Text } from './emit/emitter.ts';
import { EMITTERS } from './emit/emitters.ts';
import { constantOf } from './interpret.ts';
import { type Tree, constant, fieldsOf } from './tree.ts';

/** An expression as a program over batches. `columnOf` knows the batch's column of each field of the tree. */
export function compileColumn(tree: Tree, columnOf: (field: string) => number): ColumnProgram {
  return generatedColumn(tree, columnOf) ?? interpretedColumn(tree, columnOf);
}

/** Generated code at work. */
export interface GeneratedColumn extends ColumnProgram {
  /** Its text, made of numbers and of this repository's words (docs/decisions/0004-generated-code.md). */
  readonly text: string;
  /** Lines that were evaluated by the interpreter, since the beginning. */
  readonly slowLines: number;
}

type Loop = (batch: Batch, into: Column, slow: (row: number) => number) => number;

/**
 * The expression as one loop over a batch's lines: straight code over the columns, everything in locals. Its fast path is exact by construction: a
 * line that meets anything rare leaves it and is evaluated by the interpreter (column.ts), which has the whole meaning. Undefined where every line
 * would.
 */
export function generatedColumn(tree: Tree, columnOf: (field: string) => number): GeneratedColumn | undefined {
  // NULL alone may be in a column of any type.
  if (tree.type === 'null') return undefined;
  const emitter = new Emitter(columnOf, writeNode);
  const slot = emitter.attempt(() => checked(emitter, emitter.slot(tree)));
  if (slot === undefined) return undefined;
  const text = loopText(emitter, slot);
  const { literals, memos, needles } = emitter;
  // oxlint-disable-next-line typescript/no-implied-eval -- see above for what the text is made of
  const build = new Function('tools', 'literals', 'memos', 'needles', text) as (...args: readonly unknown[]) => Loop;
  const loop = build(tools, literals, memos, needles);
  const line = interpretedLine(tree, columnOf);
  let slowLines = 0;
  return {
    text,
    get slowLines() {
      return slowLines;
    },
    run: (batch, into) =>
      loop(batch, into, (row) => {
        slowLines++;
        return line(batch, into, row) ? 1 : 0;
      }),
  };
}

/** What is not UTF-8 has one form in columns that expressions make: that of its text. */
function checked(emitter: Emitter, slot: Slot): Slot {
  if (slot.kind === 'number' || slot.isUtf8) return slot;
  const bytes = emitter.bytesOf(slot);
  emitter.line(`if (${slot.length} > 0 && !${isUtf8Text(slot, bytes)}) break fast;`);
  return slot;
}

function writeNode(emitter: Emitter, tree: Tree): Slot {
  if (tree.kind === 'constant') return emitter.constant(tree);
  if (tree.kind === 'field') return emitter.field(tree);
  const fields = fieldsOf(tree);
  if (fields.length === 0) {
    const { value, isLost } = constantOf(tree);
    if (isLost) emitter.line('lost = 1;');
    return emitter.constant(constant(tree.type, typeof value === 'bigint' ? String(value) : value));
  }
  const emit = EMITTERS.get(tree.form);
  const isOfOneText = fields.length === 1 && fields[0]!.type === 'text' && tree.type !== 'null';
  if (!isOfOneText) return emit === undefined ? refuse() : emit(emitter, tree);
  // As large as it may be, so that a text is looked for once.
  const slot = isEmitted(tree) ? emitter.attempt(() => emit!(emitter, tree)) : undefined;
  return slot ?? emitter.remembered(tree, fields[0]!);
}

function refuse(): never {
  throw new NoFastPath();
}

function isEmitted(tree: Tree): boolean {
  return tree.kind !== 'call' || fieldsOf(tree).length === 0 || (EMITTERS.has(tree.form) && tree.args.every(isEmitted));
}

function loopText(emitter: Emitter, result: Slot): string {
  const { literals, memos, needles, numberColumns, textColumns } = emitter;
  const isText = result.kind === 'text';
  const store = isText
    ? `outStart[i] = ${result.start}; outLength[i] = ${result.length};`
    : `out[i] = ${result.value}; if (outRest !== undefined) outRest[i] = 0;`;
  return `'use strict';
const { ${Object.keys(tools).join(', ')} } = tools;
${needles.map((_, k) => `const needle${k} = needles[${k}];`).join('\n')}
return function column(batch, into, slow) {
  const bytes = batch.bytes, bytesView = viewOf(bytes);
  ${literals.map((_, k) => `const text${k} = -1 - batch.appendScratch(literals[${k}]);`).join('\n  ')}
  ${memos.map((_, k) => `const memo${k} = memos[${k}]; memo${k}.begin(batch);`).join('\n  ')}
  let ${TAKE_SCRATCH}
  const n = batch.length, verdict = batch.verdict;
  ${[...numberColumns].map((c) => `const values${c} = batch.columns[${c}].values;`).join('\n  ')}
  ${[...textColumns].map((c) => `const start${c} = batch.columns[${c}].start, length${c} = batch.columns[${c}].length;`).join('\n  ')}
  ${isText ? 'const outStart = into.start, outLength = into.length;' : 'const out = into.values, outRest = into.rest;'}
  let lines = 0;
  for (let i = 0; i < n; i++) {
    if (verdict[i] !== 0) continue;
    let lost = 0;
    fast: {
${emitter.text}
      ${store}
      lines += lost;
      continue;
    }
    lines += slow(i);
  }
  return lines;
}
//# sourceURL=generated/expression.js`;
}
