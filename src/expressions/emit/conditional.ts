import type { Tree } from '../tree.ts';
import { equalsLiteral, equalityText, isPlainLiteral } from './comparison.ts';
import { type Emit, type Emitter, NoFastPath, type Slot, isThereText } from './emitter.ts';

/** A value that several branches write; NULL before. */
class Branches {
  readonly #emitter: Emitter;
  readonly #result: Slot;
  #areUtf8 = true;

  constructor(emitter: Emitter, type: Tree['type']) {
    this.#emitter = emitter;
    this.#result = letSlot(emitter, type);
  }

  assign(from: Slot): void {
    const to = this.#result;
    if (to.kind === 'text' && from.kind === 'text') {
      this.#emitter.line(`${to.start} = ${from.start}; ${to.length} = ${from.length};`);
      this.#areUtf8 &&= from.isUtf8;
    } else if (to.kind === 'number' && from.kind === 'number') this.#emitter.line(`${to.value} = ${from.value};`);
  }

  get slot(): Slot {
    return this.#result.kind === 'text' ? { ...this.#result, isUtf8: this.#areUtf8 } : this.#result;
  }
}

function letSlot(emitter: Emitter, type: Tree['type']): Slot {
  if (type !== 'text' && type !== 'null') return { kind: 'number', value: emitter.let('NaN') };
  const [start, length] = [emitter.name('s'), emitter.name('l')];
  emitter.line(`let ${start} = 0, ${length} = -1;`);
  return { kind: 'text', start, length, isUtf8: false };
}

const caseWhen: Emit = (emitter, { args, type }) => {
  const branches = new Branches(emitter, type);
  emitter.block((leave) => {
    for (let k = 0; k + 1 < args.length; k += 2) {
      const writeBranch = (): void => {
        emitter.line(`if (${emitter.number(args[k]!)} === 1) {`);
        emitter.lazily(() => branches.assign(emitter.slot(args[k + 1]!)));
        emitter.line(leave);
        emitter.line('}');
      };
      if (k === 0) writeBranch();
      else if (!emitter.lazily(writeBranch)) return;
    }
    emitter.lazily(() => branches.assign(emitter.slot(args.at(-1)!)));
  });
  return branches.slot;
};

const coalesce: Emit = (emitter, { args, type }) => {
  const branches = new Branches(emitter, type);
  emitter.block((leave) => {
    const writeArg = (arg: Tree): void => {
      const slot = emitter.slot(arg);
      emitter.line(`if (${isThereText(slot)}) {`);
      branches.assign(slot);
      emitter.line(leave);
      emitter.line('}');
    };
    const [first, ...rest] = args;
    writeArg(first!);
    for (const arg of rest) if (!emitter.lazily(() => writeArg(arg))) return;
  });
  return branches.slot;
};

const nullif: Emit = (emitter, { args }) => {
  const [first, second] = args as [Tree, Tree];
  const value = emitter.slot(first);
  if (value.kind === 'number') {
    const other = emitter.number(second);
    return emitter.const(`${value.value} === ${other} ? NaN : ${value.value}`);
  }
  const length = emitter.name('l');
  emitter.line(`let ${length} = ${value.length};`);
  if (isPlainLiteral(second)) {
    emitter.line(`if (${equalsLiteral(emitter, value, second)}) ${length} = -1;`);
  } else {
    const other = emitter.slot(second);
    emitter.line(`if (${isThereText(value)} && ${isThereText(other)}) {`);
    emitter.line(`if (${equalityText(emitter, value, other)}) ${length} = -1;`);
    emitter.line('}');
  }
  return { ...value, length };
};

/** The greatest or the least of numbers; the first of those that are the same. */
function extreme(sign: '>=' | '<='): Emit {
  return (emitter, { args, type }) => {
    if (type === 'text' || type === 'null') throw new NoFastPath();
    const result = emitter.let('NaN');
    for (const arg of args) {
      const value = emitter.number(arg);
      emitter.line(`if (${value} === ${value} && !(${result} ${sign} ${value})) ${result} = ${value};`);
    }
    return { kind: 'number', value: result };
  };
}

export const CONDITIONAL_EMITTERS: Readonly<Record<string, Emit>> = {
  case: caseWhen,
  coalesce,
  nullif,
  greatest: extreme('>='),
  least: extreme('<='),
};
