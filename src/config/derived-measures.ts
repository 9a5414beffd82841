import type { DerivedSpec } from '../epoch/table.ts';
import { resolveExpression } from '../expressions/resolve.ts';
import { fieldTypeOf } from '../expressions/tree.ts';
import type { FieldType, Fields } from '../record/batch.ts';
import type { Report } from './definitions.ts';
import type { Path } from './document.ts';
import { scopeOf } from './expressions.ts';
import { type MeasureContext, definitionCalled, noMeasure } from './measures.ts';
import { type DerivedText, namesIn } from './sql-measures.ts';

/** The view has a query for each level, and DuckDB runs out of memory where there are many. */
const LEVELS_MAX = 16;

/** Types measures that are made of others; each stands behind those that it names. `fields`: what the rows have without them. */
export function resolveDerived(
  path: Path,
  texts: readonly DerivedText[],
  fields: Fields,
  aggregates: MeasureContext['aggregates'],
  report: Report,
): DerivedSpec[] {
  const known: Record<string, FieldType> = { ...fields };
  const lines = { fields: known, of: 'the rows of this table' };
  const byName = new Map(texts.map((text) => [text.name, text]));
  const derived: DerivedSpec[] = [];
  const wrong = new Set<string>();
  const levels = new Map<string, number>();
  const refuseLevels = (name: string): void => {
    const message = `more than ${LEVELS_MAX} measures are made of one another`;
    const hint = 'write what they come to in fewer';
    if (!wrong.has(name)) report([...path, name], 'value', { code: 'CONFIG_MEASURE', message, hint });
    wrong.add(name);
  };
  const resolve = ({ name, parsed }: DerivedText, way: readonly string[]): void => {
    if (Object.hasOwn(known, name) || wrong.has(name)) return;
    const at = [...path, name];
    const names = namesIn(parsed.root);
    const begin = way.indexOf(name);
    if (begin >= 0) {
      const circle = way.slice(begin);
      const others = circle.slice(0, -1).join(', ');
      const message =
        circle.length === 1 ? `${name} refers to itself` : `${others} and ${circle.at(-1)} refer to each other`;
      report(at, 'value', { code: 'CONFIG_MEASURE', message, hint: 'let one of them be an aggregate' });
      wrong.add(name);
      return;
    }
    if (way.length >= LEVELS_MAX) {
      refuseLevels(way[0]!);
      return;
    }
    for (const one of names) {
      const other = byName.get(one);
      if (other !== undefined) resolve(other, [...way, name]);
    }
    // What follows from a mistake is not another one.
    if (wrong.has(name) || names.some((one) => wrong.has(one))) {
      wrong.add(name);
      return;
    }
    const level = 1 + Math.max(0, ...names.map((one) => levels.get(one) ?? 0));
    if (level > LEVELS_MAX) {
      refuseLevels(name);
      return;
    }
    levels.set(name, level);
    const resolution = resolveExpression(parsed, scopeOf(lines));
    if ('tree' in resolution) {
      const { tree } = resolution;
      known[name] = fieldTypeOf(tree.type);
      derived.push({ name, text: parsed.text, tree });
      return;
    }
    wrong.add(name);
    const { start, end, ...problem } = resolution.problem;
    const isAggregate = names.some(
      (one) => !Object.hasOwn(known, one) && definitionCalled(one, { aggregates, lines }) !== undefined,
    );
    if (isAggregate) report(at, 'value', noMeasure(parsed.text));
    else report(at, 'value', { code: 'CONFIG_EXPRESSION', ...problem, within: { start, end } });
  };
  for (const text of texts) resolve(text, []);
  return derived;
}
