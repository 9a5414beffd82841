import type { AggregateDefinition } from '../aggregates/aggregate.ts';
import { TYPE_WORDS } from '../expressions/form.ts';
import { formCalled } from '../expressions/forms.ts';
import { literalOf } from '../expressions/literals.ts';
import { nameOfTree } from '../expressions/made-columns.ts';
import { resolveExpression } from '../expressions/resolve.ts';
import { EXPRESSION_CHARACTERS_MAX, type ParsedSql, type SqlParser } from '../expressions/sql-parser.ts';
import type { SqlNode } from '../expressions/sql-node.ts';
import { type Tree, call, constant, fieldTypeOf } from '../expressions/tree.ts';
import { isAggregate, ownerOf, unsupported } from '../expressions/unsupported.ts';
import type { FieldType } from '../record/batch.ts';
import { NEVER_TRUE, constantCondition, scopeOf } from './expressions.ts';
import {
  type MeasureContext,
  type MeasureError,
  definitionCalled,
  noMeasure,
  parameterOf,
  plainMeasure,
  unknownAggregate,
} from './measures.ts';
import type { MeasureSpec } from '../epoch/table.ts';

/** What to write in place of aggregates that DuckDB has and tables do not. */
const OTHER_AGGREGATES: ReadonlyMap<string, string> = new Map(
  Object.entries({
    approx_count_distinct: 'distinct(…)',
    approx_quantile: 'quantile(…, 0.99)',
    approx_top_k: 'top(…)',
    any_value: 'first(…)',
    arbitrary: 'first(…)',
    arg_max: 'last(…)',
    arg_min: 'first(…)',
    bool_and: 'min of a number, such as min(case when … then 1 else 0 end)',
    bool_or: 'count(*) filter (where …)',
    count_if: 'count(*) filter (where …)',
    countif: 'count(*) filter (where …)',
    fsum: 'sum(…)',
    kahan_sum: 'sum(…)',
    sumkahan: 'sum(…)',
    mean: 'avg(…)',
    mode: 'top(…, 1)',
    quantile_cont: 'quantile(…, 0.99)',
    quantile_disc: 'quantile(…, 0.99)',
    percentile_cont: 'quantile(…, 0.99)',
    percentile_disc: 'quantile(…, 0.99)',
    stddev_pop: 'stddev(…)',
    stddev_samp: 'stddev(…)',
    var_pop: 'stddev(…)',
    var_samp: 'stddev(…)',
    variance: 'stddev(…)',
    array_agg: 'top(…)',
    group_concat: 'top(…)',
    list: 'top(…)',
    listagg: 'top(…)',
    string_agg: 'top(…)',
    histogram: 'top(…), or quantile(…, 0.99)',
  }),
);

/** An expression that names other measures, and has no aggregate of its own. */
export interface DerivedText {
  readonly name: string;
  readonly parsed: ParsedSql;
}

/** A call of an aggregate, ours or another. */
interface AggregateCall {
  readonly node: SqlNode;
  readonly written: string;
}

/** Leaves at once: what follows from a mistake is not another one. */
class Refusal extends Error {
  readonly problem: MeasureError;

  constructor(problem: MeasureError) {
    super(problem.message);
    this.problem = problem;
  }
}

/** Reads a measure, or says what is wrong with it. Undefined: it is SQL that has not been read yet. */
export function parseMeasure(
  name: string,
  text: string,
  context: MeasureContext & { readonly parser: SqlParser },
): MeasureSpec | MeasureError | DerivedText | undefined {
  const plain = plainMeasure(name, text, context);
  if (plain !== undefined) return plain;
  if (text.length > EXPRESSION_CHARACTERS_MAX) {
    return { code: 'CONFIG_MEASURE', message: `a measure has at most ${EXPRESSION_CHARACTERS_MAX} characters` };
  }
  const result = context.parser.get(text);
  if (result === undefined) return undefined;
  if ('problem' in result) {
    const { start, end, ...problem } = result.problem;
    return { code: 'CONFIG_MEASURE', ...problem, within: { start, end } };
  }
  try {
    const { parsed } = result;
    const measure = new SqlMeasure(parsed, context);
    return measure.isDerived() ? { name, parsed } : measure.resolve(name);
  } catch (error) {
    if (error instanceof Refusal) return error.problem;
    throw error;
  }
}

class SqlMeasure {
  readonly #parsed: ParsedSql;
  readonly #context: MeasureContext;

  constructor(parsed: ParsedSql, context: MeasureContext) {
    this.#parsed = parsed;
    this.#context = context;
  }

  isDerived(): boolean {
    const { root } = this.#parsed;
    return root.class !== 'WINDOW' && this.#callsIn(root).length === 0 && namesIn(root).length > 0;
  }

  resolve(name: string): MeasureSpec {
    const { root, text } = this.#parsed;
    const { node, written } = this.#aggregate();
    const definition = definitionCalled(written, this.#context);
    const owner = ownerOf(node);
    if (owner !== undefined)
      return this.#refuse(unknownAggregate(`${owner}.${written}`, this.#context, `${written}(…)`), node);
    if (definition === undefined)
      return this.#refuse(unknownAggregate(written, this.#context, OTHER_AGGREGATES.get(written)), node);
    if (root['distinct'] === true) {
      const hint = definition.argument === 'optional' ? 'write distinct(…)' : `write ${written}(…)`;
      return this.#refuse({ message: `${written}(distinct …) is not supported`, hint }, node);
    }
    if (((root['order_bys'] as { readonly orders: readonly unknown[] }).orders ?? []).length > 0) {
      const hint = 'first and last go by event time; leave ORDER BY out';
      return this.#refuse({ message: `${written} does not take ORDER BY`, hint }, node);
    }
    const [argument, behind, ...more] = root['children'] as readonly SqlNode[];
    if (more.length > 0)
      return this.#refuse({ message: `${written} takes a field, and one value behind it at most` }, node);
    if ([argument, behind].some((one) => one !== undefined && one['alias'] !== ''))
      return this.#refuse(
        { message: `${written} takes arguments without names`, hint: `write ${written}(field)` },
        node,
      );
    const filter = this.#filter(root['filter'] as SqlNode | null);
    if (argument === undefined) return this.#ofLines(name, definition, written, filter);
    const tree = this.#tree(argument);
    if (definition.argument === 'number' && tree.type !== 'long' && tree.type !== 'double') {
      const hint = tree.type === 'boolean' ? 'write count(*) filter (where …)' : undefined;
      return this.#refuse(
        { message: `${written} needs a number, and this is ${TYPE_WORDS[tree.type]}`, hint },
        argument,
      );
    }
    const parameter = parameterOf(definition, written, behind === undefined ? undefined : numberText(behind));
    if (typeof parameter === 'object') return this.#refuse(parameter, behind ?? node);
    return {
      name,
      aggregate: definition.name,
      ...argumentOf(tree, filter),
      ...(parameter === undefined ? {} : { parameter }),
      ...(tree.kind === 'field' && filter === undefined ? {} : { text }),
    };
  }

  /** The one aggregate that the measure is. */
  #aggregate(): AggregateCall {
    const { root, text } = this.#parsed;
    const calls = this.#callsIn(root);
    const [outer, inner] = calls;
    if (root.class === 'WINDOW') return this.#refuse(unsupported(root), root);
    if (outer?.node === root) {
      if (inner === undefined) return outer;
      const message = `${inner.written} cannot stand within ${outer.written}`;
      return this.#refuse({ message, hint: 'let one table read the other: from: the name of a table' }, inner.node);
    }
    if (outer !== undefined) {
      const message = 'a measure is one aggregate';
      const hint = 'make each aggregate a measure, and write their names here: errors / requests';
      return this.#refuse({ message, hint }, (inner ?? outer).node);
    }
    throw new Refusal(noMeasure(text));
  }

  /** Whatever DuckDB takes for an aggregate; at the root, any name that is not a function of ours. */
  #callsIn(root: SqlNode): AggregateCall[] {
    const found: AggregateCall[] = [];
    const visit = (value: unknown): void => {
      if (typeof value !== 'object' || value === null) return;
      const node = value as SqlNode;
      if (node.class === 'FUNCTION' && node['is_operator'] !== true) {
        const called = String(node['function_name']).toLowerCase();
        const written = called === 'count_star' ? 'count' : called;
        const isKnown = definitionCalled(written, this.#context) !== undefined || isAggregate(written);
        if (isKnown || (node === root && (node['filter'] !== null || formCalled(called) === undefined)))
          found.push({ node, written });
      }
      for (const child of Object.values(node)) visit(child);
    };
    visit(root);
    return found;
  }

  /** `count(*)`; with a condition, it counts a value that is there where the condition is true. */
  #ofLines(
    name: string,
    { argument, name: aggregate }: AggregateDefinition,
    written: string,
    filter: Tree | undefined,
  ): MeasureSpec {
    if (argument === 'number' || argument === 'any')
      return this.#refuse({ message: `${written} needs a field`, hint: `write ${written}(field)` }, this.#parsed.root);
    if (filter === undefined) return { name, aggregate };
    return { name, aggregate, ...argumentOf(constant('boolean', true), filter), text: this.#parsed.text };
  }

  /** Undefined where it is true of every line. */
  #filter(node: SqlNode | null): Tree | undefined {
    if (node === null) return undefined;
    const tree = this.#tree(node);
    if (tree.type !== 'boolean' && tree.type !== 'null') {
      const message = `a condition is needed here, and this is ${TYPE_WORDS[tree.type]}`;
      return this.#refuse({ message, hint: 'compare it with something: … > 0, … is not null' }, node);
    }
    const always = constantCondition(tree);
    if (always === false) return this.#refuse(NEVER_TRUE, node);
    return always === undefined ? tree : undefined;
  }

  #tree(node: SqlNode): Tree {
    const resolution = resolveExpression(this.#parsed, scopeOf(this.#context.lines), node);
    if (!('problem' in resolution)) return resolution.tree;
    const { start, end, ...problem } = resolution.problem;
    throw new Refusal({ code: 'CONFIG_EXPRESSION', ...problem, within: { start, end } });
  }

  #refuse(problem: Omit<MeasureError, 'code'> & { readonly code?: string }, node: SqlNode): never {
    const { text } = this.#parsed;
    const start = this.#parsed.placeOf(node);
    const word = start === undefined ? undefined : /^[\p{L}\p{N}_@.]+|^./u.exec(text.slice(start))?.[0];
    const within = start === undefined || word === undefined ? undefined : { start, end: start + word.length };
    throw new Refusal({ code: 'CONFIG_MEASURE', ...(within === undefined ? {} : { within }), ...problem });
  }
}

/** The names of fields in it, each as often as it stands there. */
export function namesIn(root: SqlNode): string[] {
  const names: string[] = [];
  const visit = (value: unknown): void => {
    if (typeof value !== 'object' || value === null) return;
    const { class: kind, column_names: parts } = value as Readonly<Record<string, unknown>>;
    if (kind === 'COLUMN_REF') names.push((parts as readonly string[]).join('.'));
    else for (const child of Object.values(value)) visit(child);
  };
  visit(root);
  return names;
}

/** What the aggregate is of: a field, or a column that is made: NULL, which every aggregate skips, where the condition is not true. */
function argumentOf(argument: Tree, filter: Tree | undefined): Pick<MeasureSpec, 'field' | 'fieldType' | 'expression'> {
  const fieldType: FieldType = argument.kind === 'field' ? argument.fieldType : fieldTypeOf(argument.type);
  if (argument.kind === 'field' && filter === undefined) return { field: argument.name, fieldType };
  const expression =
    filter === undefined ? argument : call('case', argument.type, [filter, argument, constant(argument.type, null)]);
  return { field: nameOfTree(expression), fieldType, expression };
}

/** A number behind the argument, as it is written; '' for anything else. */
function numberText(node: SqlNode): string {
  const literal = node.class === 'CONSTANT' ? literalOf(node) : undefined;
  const isNumber = literal !== undefined && 'kind' in literal && (literal.type === 'long' || literal.type === 'double');
  return isNumber ? String(literal.value) : '';
}
