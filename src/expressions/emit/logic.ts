import type { Emit, Emitter, Slot } from './emitter.ts';
import type { Tree } from '../tree.ts';

/** `and`, `or`: true is 1, not known NaN. What decides ends it; of what does not, a product or a sum is left. */
function connective(decides: 0 | 1): Emit {
  return (emitter, { args }) => {
    const result = emitter.let(String(1 - decides));
    emitter.block((leave) => {
      const writeArg = (arg: Tree): void => {
        const value = emitter.number(arg);
        emitter.line(`if (${value} === ${decides}) { ${result} = ${decides}; ${leave} }`);
        emitter.line(`${result} ${decides === 0 ? '*=' : '+='} ${value};`);
      };
      const [first, ...rest] = args;
      writeArg(first!);
      for (const arg of rest) if (!emitter.lazily(() => writeArg(arg))) break;
    });
    return { kind: 'number', value: result };
  };
}

function nullTest(isNull: boolean): Emit {
  return (emitter, { args }) => {
    const isThere = isThereText(emitter.slot(args[0]!));
    return emitter.const(`${isThere} ? ${isNull ? '0 : 1' : '1 : 0'}`);
  };
}

/** A condition: the value is not NULL. */
export function isThereText(slot: Slot): string {
  return slot.kind === 'text' ? `${slot.length} >= 0` : `${slot.value} === ${slot.value}`;
}

/** A value that branches write: declared as NULL. */
export function letSlot(emitter: Emitter, type: Tree['type']): Slot {
  if (type !== 'text' && type !== 'null') return { kind: 'number', value: emitter.let('NaN') };
  const start = emitter.name('s');
  const length = emitter.name('l');
  emitter.line(`let ${start} = 0, ${length} = -1;`);
  return { kind: 'text', start, length, isUtf8: false };
}

export function assignText(to: Slot, from: Slot): string {
  if (to.kind === 'text' && from.kind === 'text') return `${to.start} = ${from.start}; ${to.length} = ${from.length};`;
  if (to.kind === 'number' && from.kind === 'number') return `${to.value} = ${from.value};`;
  // NULL without a type.
  return '';
}

export const LOGIC_EMITTERS: Readonly<Record<string, Emit>> = {
  and: connective(0),
  or: connective(1),
  not: (emitter, { args }) => emitter.const(`1 - ${emitter.number(args[0]!)}`),
  is_null: nullTest(true),
  is_not_null: nullTest(false),
};
