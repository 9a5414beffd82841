import { TYPE_WORDS } from '../expressions/form.ts';
import { resolveExpression } from '../expressions/resolve.ts';
import type { SqlParser } from '../expressions/sql-parser.ts';
import type { Tree, ValueType } from '../expressions/tree.ts';
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
 * looked at again. `type`: what it must be.
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
  const { fields } = lines;
  const resolution =
    'problem' in result
      ? result
      : resolveExpression(result.parsed, {
          typeOf: (name) => (Object.hasOwn(fields, name) ? fields[name] : undefined),
          unknown: (name) => unknownField(name, lines),
        });
  if ('problem' in resolution) {
    const { message, hint, start, end } = resolution.problem;
    report(path, 'value', { code: 'CONFIG_EXPRESSION', message, hint, within: { start, end } });
    return undefined;
  }
  const { tree } = resolution;
  if (type === undefined || tree.type === type || tree.type === 'null') return tree;
  const message = `${TYPE_WORDS[type]} is needed here, and this is ${TYPE_WORDS[tree.type]}`;
  const hint = type === 'boolean' ? 'compare it with something: … > 0, … is not null' : undefined;
  report(path, 'value', { code: 'CONFIG_EXPRESSION', message, hint, within: { start: 0, end: text.length } });
  return undefined;
}
