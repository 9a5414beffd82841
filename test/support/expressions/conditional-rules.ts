import { type GeneratedType, type Rule, joined, rule, typedNull } from './grammar.ts';

const TYPES: readonly GeneratedType[] = ['boolean', 'long', 'double', 'text', 'time'];

/** Of the same shape for each type of the result. */
function rulesOf(form: string, conditions: number, values: number, text: (...args: string[]) => string): Rule[] {
  return TYPES.map((type) => ({
    form,
    type,
    make: (of) =>
      joined(
        [...Array.from({ length: conditions }, () => of('boolean')), ...Array.from({ length: values }, () => of(type))],
        text,
      ),
  }));
}

export const CONDITIONAL_RULES: readonly Rule[] = [
  ...rulesOf('case', 1, 1, (c, v) => `case when ${c} then ${v} end`),
  ...rulesOf('case', 2, 3, (c, d, v, w, e) => `(case when ${c} then ${v} when ${d} then ${w} else ${e} end)`),
  ...TYPES.map((type): Rule => ({
    form: 'case',
    type,
    make: (of) => {
      const compared = of(type).map((pair) => typedNull(pair, type));
      return joined(
        [compared, compared, of(type), of(type)],
        (a, b, v, e) => `(case ${a} when ${b} then ${v} else ${e} end)`,
      );
    },
  })),
  rule('case', 'double', ['boolean', 'long', 'double'], (c, a, b) => `if(${c}, ${a}, coalesce(${b}, 15e-1))`),
  ...rulesOf('coalesce', 0, 3, (a, b, c) => `coalesce(${a}, ${b}, ${c})`),
  ...rulesOf('coalesce', 0, 2, (a, b) => `ifnull(${a}, ${b})`),
  ...rulesOf('nullif', 0, 2, (a, b) => `nullif(${a}, ${b})`),
  // NULL alone would be of the other's type.
  rule('nullif', 'long', ['long', 'double'], (a, b) => `nullif(coalesce(${a}, 7), ${b})`),
  ...rulesOf('greatest', 0, 3, (a, b, c) => `greatest(${a}, ${b}, ${c})`),
  ...rulesOf('least', 0, 2, (a, b) => `least(${a}, ${b})`),
];
