import { COMPARISON_EMITTERS } from './comparison.ts';
import { CONDITIONAL_EMITTERS } from './conditional.ts';
import type { Emit } from './emitter.ts';
import { LOGIC_EMITTERS } from './logic.ts';
import { NUMBER_EMITTERS } from './numbers.ts';
import { TEXT_EMITTERS } from './text.ts';
import { TIME_EMITTERS } from './time.ts';

/** Who writes the code of a form. One that is not here is evaluated by the interpreter. */
export const EMITTERS: ReadonlyMap<string, Emit> = new Map(
  Object.entries({
    ...LOGIC_EMITTERS,
    ...COMPARISON_EMITTERS,
    ...CONDITIONAL_EMITTERS,
    ...NUMBER_EMITTERS,
    ...TEXT_EMITTERS,
    ...TIME_EMITTERS,
  }),
);
