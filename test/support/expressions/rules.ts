import { CAST_RULES } from './cast-rules.ts';
import { CONDITIONAL_RULES } from './conditional-rules.ts';
import type { Rule } from './grammar.ts';
import { JSON_RULES } from './json-rules.ts';
import { LOGIC_RULES } from './logic-rules.ts';
import { NUMBER_RULES } from './number-rules.ts';
import { REGEXP_RULES } from './regexp-rules.ts';
import { TEXT_RULES } from './text-rules.ts';
import { TIME_RULES } from './time-rules.ts';

/** Every rule that there is. */
export const RULES: readonly Rule[] = [
  ...LOGIC_RULES,
  ...CONDITIONAL_RULES,
  ...NUMBER_RULES,
  ...CAST_RULES,
  ...TIME_RULES,
  ...TEXT_RULES,
  ...REGEXP_RULES,
  ...JSON_RULES,
];
