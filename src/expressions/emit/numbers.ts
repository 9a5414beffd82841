import type { Tree } from '../tree.ts';
import { type Emit, type Emitter, NoFastPath, type NumberSlot } from './emitter.ts';

const FINITE = String(Number.MAX_VALUE);

/** The result as one of the type of its arguments. */
function within(emitter: Emitter, type: Tree['type'], value: string): NumberSlot {
  // A product of 0 has a sign, which whole numbers do not have.
  return type === 'long' ? emitter.long(`${value} + 0`) : emitter.finite(value);
}

function ofTwo(sign: '+' | '-' | '*'): Emit {
  return (emitter, { args, type }) => {
    const values = args.map((arg) => emitter.number(arg));
    return within(emitter, type, values.length === 1 ? `0 ${sign} ${values[0]}` : values.join(` ${sign} `));
  };
}

/** `a / b`, `a % b`: not known where b is 0. */
function division(quotient: (left: string, right: string) => string): Emit {
  return (emitter, { args, type }) => {
    const [left, right] = args.map((arg) => emitter.number(arg)) as [string, string];
    return within(emitter, type, `(${right} === 0 ? NaN : ${quotient(left, right)})`);
  };
}

/** A function of JavaScript's; what it does not know of a number that is there is lost, and the interpreter counts it. */
function ofMath(name: 'floor' | 'ceil' | 'trunc' | 'sqrt' | 'log' | 'log2' | 'log10' | 'exp'): Emit {
  return (emitter, { args }) => {
    if (args.length !== 1) throw new NoFastPath();
    const value = emitter.number(args[0]!);
    if (args[0]!.type === 'long') return { kind: 'number', value };
    const result = emitter.const(`Math.${name}(${value})`);
    emitter.line(`if (!(Math.abs(${result.value}) <= ${FINITE}) && ${value} === ${value}) break fast;`);
    return result;
  };
}

const round: Emit = (emitter, { args: [number, digits], type }) => {
  const places = digits?.kind === 'constant' ? Number(digits.value) : 0;
  const factor = Number(`1e${Math.abs(places)}`);
  if (!Number.isFinite(factor) || (type === 'long' && places < 0)) throw new NoFastPath();
  const value = emitter.number(number!);
  if (type === 'long') return { kind: 'number', value };
  const scaled = emitter.finite(`${value} ${places < 0 ? '/' : '*'} ${factor}`).value;
  const nearest = `(${scaled} < 0 ? -Math.round(-${scaled}) : Math.round(${scaled}))`;
  return emitter.finite(`${nearest} ${places < 0 ? '*' : '/'} ${factor}`);
};

/** Between numbers, where nothing can be lost; what can be is for the interpreter, and so are texts. */
const cast: Emit = (emitter, { args: [value, to], type }) => {
  const from = value!.type;
  const isBigint = to!.kind === 'constant' && to!.value === 'BIGINT';
  if (type === 'text' || from === 'text' || (type === 'long' && !isBigint)) throw new NoFastPath();
  if (type === 'boolean' && from !== 'boolean') {
    const number = emitter.number(value!);
    return emitter.const(`${number} === ${number} ? ${number} === 0 ? 0 : 1 : NaN`);
  }
  if (type !== 'long' || from !== 'double') return emitter.slot(value!);
  const number = emitter.number(value!);
  // Halves to the even one of two.
  const rounded = emitter.long(`Math.round(${number})`).value;
  return emitter.const(`(${rounded} - ${number} === 0.5 && ${rounded} % 2 !== 0 ? ${rounded} - 1 : ${rounded}) + 0`);
};

export const NUMBER_EMITTERS: Readonly<Record<string, Emit>> = {
  '+': ofTwo('+'),
  '-': ofTwo('-'),
  '*': ofTwo('*'),
  '/': division((left, right) => `${left} / ${right}`),
  '//': division((left, right) => `Math.trunc(${left} / ${right})`),
  '%': division((left, right) => `${left} % ${right}`),
  cast,
  to_double: (emitter, { args }) => emitter.slot(args[0]!),
  abs: (emitter, { args }) => emitter.const(`Math.abs(${emitter.number(args[0]!)})`),
  sign(emitter, { args }) {
    const value = emitter.number(args[0]!);
    return emitter.const(`${value} > 0 ? 1 : ${value} < 0 ? -1 : ${value} === ${value} ? 0 : NaN`);
  },
  round,
  trunc: ofMath('trunc'),
  floor: ofMath('floor'),
  ceil: ofMath('ceil'),
  sqrt: ofMath('sqrt'),
  ln: ofMath('log'),
  log: ofMath('log10'),
  log2: ofMath('log2'),
  exp: ofMath('exp'),
};
