import { z } from 'zod';
import { EXPRESSION_CHARACTERS_MAX } from '../expressions/sql-parser.ts';

const FORM = 'expects an expression in SQL';

/** An option that is an expression. A bare number or `true` in YAML is one, too. */
export const expressionText = z
  .union([z.string(), z.number(), z.boolean()], { error: () => FORM })
  .transform(String)
  .refine((text) => text.trim() !== '', { error: () => FORM })
  .refine((text) => text.length <= EXPRESSION_CHARACTERS_MAX, {
    error: () => `an expression has at most ${EXPRESSION_CHARACTERS_MAX} characters`,
  });
