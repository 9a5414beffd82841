import { COMPARISON_EMITTERS } from './comparison.ts';
import type { Emit } from './emitter.ts';
import { LOGIC_EMITTERS } from './logic.ts';

/** Who writes the code of a form. One that is not here is evaluated by the interpreter. */
export const EMITTERS: ReadonlyMap<string, Emit> = new Map(
  Object.entries({ ...LOGIC_EMITTERS, ...COMPARISON_EMITTERS }),
);
