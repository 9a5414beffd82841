import fc from 'fast-check';
import { type Rule, joined, rule } from './grammar.ts';

/** What may be lost of whole numbers is tried; of doubles the rule of finite numbers is written out. */
const tried =
  (sql: (...args: string[]) => string) =>
  (...args: string[]): string =>
    `TRY(${sql(...args)})`;
const finite =
  (sql: (...args: string[]) => string) =>
  (...args: string[]): string =>
    `finite(${sql(...args)})`;

/** NULL alone is a whole number to arithmetic: where the type matters, it is a number. */
const anyDouble = (text: string): string => `coalesce(${text}, 25e-2)`;

const OPERATORS: readonly Rule[] = ['+', '-', '*'].flatMap((sign) => {
  const text = (a: string, b: string): string => `(${a} ${sign} ${b})`;
  const mixed = (a: string, b: string): string => text(a, anyDouble(b));
  return [
    rule(sign, 'long', ['long', 'long'], text, tried(text)),
    rule(sign, 'double', ['double', 'double'], (a, b) => text(a, anyDouble(b)), finite(mixed)),
    rule(sign, 'double', ['long', 'double'], mixed, finite(mixed)),
  ];
});

/** A constant number of places, and a number. */
function rounded(type: 'long' | 'double', sql: (value: string, places: number) => string): Rule {
  return {
    form: 'round',
    type,
    make: (of) =>
      fc.integer({ min: -21, max: 21 }).chain((places) => {
        const number = (value: string): string => (type === 'long' ? `coalesce(${value}, 0)` : anyDouble(value));
        return joined(
          [of(type)],
          (value) => `round(${number(value)}, ${places})`,
          (value) => sql(number(value), places),
        );
      }),
  };
}

/** Functions whose last digit is the C library's: only whether they are more or less than some number. */
function about(form: string, args: number, text: (...args: string[]) => string): Rule {
  return {
    form,
    type: 'boolean',
    make: (of) =>
      fc.constantFrom('0.3', '-0.7', '2.71', '12345.6').chain((limit) =>
        joined(
          Array.from({ length: args }, () => of('double')),
          (...values) => `(${text(...values)} > ${limit})`,
          (...values) => `(finite(TRY(${text(...values)})) > ${limit}::DOUBLE)`,
        ),
      ),
  };
}

export const NUMBER_RULES: readonly Rule[] = [
  ...OPERATORS,
  rule(
    '-',
    'long',
    ['long'],
    (a) => `(- (${a}))`,
    tried((a) => `-(${a})`),
  ),
  rule('-', 'double', ['double'], (a) => `(-${anyDouble(a)})`),
  rule('+', 'long', ['long'], (a) => `(+ (${a}))`),
  rule(
    '/',
    'double',
    ['double', 'double'],
    (a, b) => `(${a} / ${b})`,
    finite((a, b) => `(${a} / ${b})`),
  ),
  rule(
    '/',
    'double',
    ['long', 'long'],
    (a, b) => `(${a} / ${b})`,
    finite((a, b) => `(${a} / ${b})`),
  ),
  rule(
    '//',
    'long',
    ['long', 'long'],
    (a, b) => `(${a} // ${b})`,
    tried((a, b) => `${a} // ${b}`),
  ),
  rule(
    '%',
    'long',
    ['long', 'long'],
    (a, b) => `(${a} % ${b})`,
    tried((a, b) => `${a} % ${b}`),
  ),
  rule(
    '%',
    'double',
    ['double', 'double'],
    (a, b) => `mod(${a}, ${anyDouble(b)})`,
    finite((a, b) => `(${a} % ${anyDouble(b)})`),
  ),
  rule(
    'abs',
    'long',
    ['long'],
    (a) => `abs(${a})`,
    tried((a) => `abs(${a})`),
  ),
  rule('abs', 'double', ['double'], (a) => `(@ ${anyDouble(a)})`),
  rule(
    'sign',
    'long',
    ['long'],
    (a) => `sign(${a})`,
    (a) => `sign(${a})::BIGINT`,
  ),
  rule(
    'sign',
    'long',
    ['double'],
    (a) => `sign(${a})`,
    (a) => `sign(${a})::BIGINT`,
  ),
  rule('round', 'long', ['long'], (a) => `round(${a})`),
  rule('round', 'double', ['double'], (a) => `round(${anyDouble(a)})`),
  rounded('double', (value, places) => `round(${value}, ${places})`),
  rounded('long', (value, places) => `TRY_CAST(round(${value}::DECIMAL(38, 0), ${places}) AS BIGINT)`),
  rule('trunc', 'long', ['long'], (a) => `trunc(${a})`),
  rule('trunc', 'double', ['double'], (a) => `trunc(${anyDouble(a)})`),
  rule('floor', 'double', ['double'], (a) => `floor(${a})`),
  rule('floor', 'double', ['long'], (a) => `floor(${a})`),
  rule('ceil', 'double', ['double'], (a) => `ceiling(${a})`),
  rule(
    'sqrt',
    'double',
    ['double'],
    (a) => `sqrt(${a})`,
    tried((a) => `sqrt(${a})`),
  ),
  about('ln', 1, (a) => `ln(${a})`),
  about('log', 1, (a) => `log(${a})`),
  about('log', 1, (a) => `log10(${a})`),
  about('log', 2, (a, b) => `log(${a}, ${b})`),
  about('log2', 1, (a) => `log2(${a})`),
  about('exp', 1, (a) => `exp(${a})`),
  about('pow', 2, (a, b) => `(${a} ** ${b})`),
  about('pow', 2, (a, b) => `power(${a}, ${b})`),
  rule('&', 'long', ['long', 'long'], (a, b) => `(${a} & ${b})`),
  rule('|', 'long', ['long', 'long'], (a, b) => `(${a} | ${b})`),
  rule('xor', 'long', ['long', 'long'], (a, b) => `xor(${a}, ${b})`),
  rule('~', 'long', ['long'], (a) => `(~(${a}))`),
  rule(
    '<<',
    'long',
    ['long', 'long'],
    (a, b) => `(${a} << ${b})`,
    tried((a, b) => `${a} << ${b}`),
  ),
  rule(
    '<<',
    'long',
    ['long', 'long'],
    (a, b) => `(${a} << (${b} & 63))`,
    tried((a, b) => `${a} << (${b} & 63)`),
  ),
  rule('>>', 'long', ['long', 'long'], (a, b) => `(${a} >> ${b})`),
  rule('>>', 'long', ['long', 'long'], (a, b) => `(${a} >> (${b} & 63))`),
];
