import type { FormProblem } from './form.ts';
import type { SqlNode } from './sql-parser.ts';

/** What to write in place of SQL that an expression cannot be. */
const CLASSES: Readonly<Record<string, readonly [what: string, hint?: string]>> = {
  SUBQUERY: ['a subquery', 'an expression sees one line at a time'],
  WINDOW: ['a window function', 'an expression sees one line at a time'],
  STAR: ['*', 'write count(*), or name the fields'],
  LAMBDA: ['a lambda', "write field ->> '$.name' for a value within JSON"],
  PARAMETER: ['a parameter', 'write the value itself'],
  COLLATE: ['a collation', 'write lower(…) or ilike'],
  POSITIONAL_REFERENCE: ['a column by its number', 'write the name of the field'],
  DEFAULT: ['DEFAULT'],
};

/** Says of a part of SQL that expressions do not have it, by its name, and what to write. */
export function unsupported(node: SqlNode): FormProblem {
  const known = CLASSES[node.class];
  if (known !== undefined) return problem(known[0], known[1]);
  if (node.class === 'FUNCTION') return problem(`the function ${String(node['function_name'])}`);
  return problem(node.type.toLowerCase().replaceAll('_', ' '));
}

function problem(what: string, hint?: string): FormProblem {
  return { message: `expressions do not have ${what}`, ...(hint === undefined ? {} : { hint }) };
}
