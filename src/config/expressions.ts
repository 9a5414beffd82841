import { TYPE_WORDS } from '../expressions/form.ts';
import { constantOf } from '../expressions/interpret.ts';
import { type Scope, resolveExpression } from '../expressions/resolve.ts';
import type { SqlParser } from '../expressions/sql-parser.ts';
import { type Tree, type ValueType, type WrittenExpression, fieldsOf } from '../expressions/tree.ts';
import type { Report } from './definitions.ts';
import type { Path } from './document.ts';
import { type StreamFields, unknownField } from './measures.ts';

/** Reads the expressions of a configuration: says what is wrong with one, and where in its text. */
export interface ExpressionReader {
  readonly parser: SqlParser;
  readonly report: Report;
}

/**
 * The expression at a path of the file, over these fields; undefined where it is wrong, or was not read yet: then the whole configuration is
 * looked at again. `type`: what it must be; a condition must be true of some line.
 */
export function readExpression(
  { parser, report }: ExpressionReader,
  path: Path,
  text: string,
  lines: StreamFields,
  type?: ValueType,
): Tree | undefined {
  const result = parser.get(text);
  if (result === undefined) return undefined;
  const resolution = 'problem' in result ? result : resolveExpression(result.parsed, scopeOf(lines));
  if ('problem' in resolution) {
    const { message, hint, start, end } = resolution.problem;
    report(path, 'value', { code: 'CONFIG_EXPRESSION', message, hint, within: { start, end } });
    return undefined;
  }
  const { tree } = resolution;
  if (type === 'boolean' && (tree.type === type || tree.type === 'null') && constantCondition(tree) === false) {
    report(path, 'value', { code: 'CONFIG_EXPRESSION', ...NEVER_TRUE });
    return undefined;
  }
  if (type === undefined || tree.type === type || tree.type === 'null') return tree;
  const message = `${TYPE_WORDS[type]} is needed here, and this is ${TYPE_WORDS[tree.type]}`;
  const hint = type === 'boolean' ? 'compare it with something: … > 0, … is not null' : undefined;
  report(path, 'value', { code: 'CONFIG_EXPRESSION', message, hint, within: { start: 0, end: text.length } });
  return undefined;
}

/** A condition that lines have to meet. Undefined where it is wrong, was not read yet, or is true of all lines. */
export function readCondition(
  reader: ExpressionReader,
  path: Path,
  text: string,
  lines: StreamFields,
): WrittenExpression | undefined {
  const tree = readExpression(reader, path, text, lines, 'boolean');
  return tree === undefined || constantCondition(tree) === true ? undefined : { text, tree };
}

export const NEVER_TRUE = { message: 'this condition is never true', hint: 'no line would be taken' };

/** Whether a condition is true, where that is the same for all lines. */
export function constantCondition(tree: Tree): boolean | undefined {
  return fieldsOf(tree).length > 0 ? undefined : constantOf(tree).value === true;
}

/** What an expression over these fields may name. */
export function scopeOf(lines: StreamFields): Scope {
  const { fields } = lines;
  return {
    typeOf: (name) => (Object.hasOwn(fields, name) ? fields[name] : undefined),
    unknown: (name) => unknownField(name, lines),
  };
}
