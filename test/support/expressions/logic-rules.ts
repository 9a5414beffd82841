import fc from 'fast-check';
import { type GeneratedType, type Rule, joined, rule, typedNull } from './grammar.ts';

const TYPES: readonly GeneratedType[] = ['boolean', 'long', 'double', 'text', 'time'];
const SIGNS = ['=', '<>', '<', '<=', '>', '>='] as const;

/** A condition over two or more values of one type, which may be any. `isBareNullRefused`: a NULL must then have a type. */
function ofAnyType(form: string, count: number, text: (...args: string[]) => string, isBareNullRefused = false): Rule {
  return {
    form,
    type: 'boolean',
    make: (of) =>
      fc.constantFrom(...TYPES).chain((type) =>
        joined(
          Array.from({ length: count }, () =>
            of(type).map((pair) => (isBareNullRefused ? typedNull(pair, type) : pair)),
          ),
          text,
        ),
      ),
  };
}

export const LOGIC_RULES: readonly Rule[] = [
  rule('and', 'boolean', ['boolean', 'boolean'], (a, b) => `(${a} and ${b})`),
  rule('or', 'boolean', ['boolean', 'boolean', 'boolean'], (a, b, c) => `(${a} or ${b} or ${c})`),
  rule('not', 'boolean', ['boolean'], (a) => `(not ${a})`),
  ofAnyType('is_null', 1, (a) => `(${a} is null)`),
  ofAnyType('is_not_null', 1, (a) => `(${a} is not null)`),
  ...SIGNS.map((sign) => ofAnyType(sign, 2, (a, b) => `(${a} ${sign} ${b})`, true)),
  ofAnyType('is_distinct_from', 2, (a, b) => `(${a} is distinct from ${b})`),
  ofAnyType('is_not_distinct_from', 2, (a, b) => `(${a} is not distinct from ${b})`),
  ofAnyType('between', 3, (a, b, c) => `(${a} between ${b} and ${c})`),
  ofAnyType('in', 4, (a, b, c, d) => `(${a} in (${b}, ${c}, ${d}))`, true),
  ofAnyType('in', 3, (a, b, c) => `(${a} not in (${b}, ${c}))`, true),
];
