import { present } from '../lib/assert.ts';
import type { Form } from './form.ts';
import { arithmetic } from './forms/arithmetic.ts';
import { bitForms } from './forms/bits.ts';
import { comparisons } from './forms/comparison.ts';
import { conditionals } from './forms/conditional.ts';
import { jsonForms } from './forms/json.ts';
import { likeForms } from './forms/like.ts';
import { math } from './forms/math.ts';
import { and, isNotNull, isNull, not, or } from './forms/logic.ts';
import { cast, toDouble } from './forms/casts.ts';
import { regexpForms } from './forms/regexp.ts';
import { timeForms } from './forms/time.ts';
import { textForms } from './forms/text.ts';
import { textPartForms } from './forms/text-parts.ts';

/** Every form that there is, in the order of the reference. */
export const FORMS: readonly Form[] = [
  and,
  or,
  not,
  isNull,
  isNotNull,
  ...comparisons,
  ...conditionals,
  ...arithmetic,
  ...math,
  ...bitForms,
  ...textForms,
  ...textPartForms,
  ...likeForms,
  ...regexpForms,
  ...jsonForms,
  ...timeForms,
  cast,
  toDouble,
];

const BY_NAME = new Map(FORMS.map((form) => [form.name, form]));
const BY_CALL = new Map(FORMS.flatMap((form) => form.calls.map((called) => [called, form] as const)));

/** The form of a tree. */
export function formNamed(name: string): Form {
  return present(BY_NAME.get(name), `the form ${name} is known`);
}

/** What DuckDB's parser calls so; undefined where it is not one of ours. */
export function formCalled(called: string): Form | undefined {
  return BY_CALL.get(called);
}
