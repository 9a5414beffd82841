import { type Emit, isThereText } from './emitter.ts';
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

export const LOGIC_EMITTERS: Readonly<Record<string, Emit>> = {
  and: connective(0),
  or: connective(1),
  not: (emitter, { args }) => emitter.const(`1 - ${emitter.number(args[0]!)}`),
  is_null: nullTest(true),
  is_not_null: nullTest(false),
};
