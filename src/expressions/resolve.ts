import { type FormProblem, isFormProblem } from './form.ts';
import { formCalled, formNamed } from './forms.ts';
import { constantOf } from './interpret.ts';
import { intervalMsOf } from './intervals.ts';
import { literalOf } from './literals.ts';
import type { ExpressionProblem } from './problem.ts';
import type { ParsedSql } from './sql-parser.ts';
import type { SqlNode } from './sql-node.ts';
import { cutText } from '../lib/text.ts';
import { type Tree, call, constant, field } from './tree.ts';
import { ownerOf, unsupported, unsupportedWord } from './unsupported.ts';
import type { FieldType } from '../record/batch.ts';

/** The fields that an expression may name. */
export interface Scope {
  typeOf(name: string): FieldType | undefined;
  /** What to say of a name that is not a field. */
  unknown(name: string): { readonly message: string; readonly hint?: string | undefined };
}

export type Resolution = { readonly tree: Tree } | { readonly problem: ExpressionProblem };

/** Types an expression over the fields of `scope`, or says what is wrong with it and where. */
export function resolveExpression(parsed: ParsedSql, scope: Scope, root: SqlNode = parsed.root): Resolution {
  try {
    return { tree: new Resolver(parsed, scope).resolve(root) };
  } catch (error) {
    if (error instanceof Refusal) return { problem: error.problem };
    throw error;
  }
}

/** Leaves the tree at once: what follows from a mistake is not another one. */
class Refusal extends Error {
  readonly problem: ExpressionProblem;

  constructor(problem: ExpressionProblem) {
    super(problem.message);
    this.problem = problem;
  }
}

const COMPARISONS: Readonly<Record<string, string>> = {
  COMPARE_EQUAL: '=',
  COMPARE_NOTEQUAL: '<>',
  COMPARE_LESSTHAN: '<',
  COMPARE_LESSTHANOREQUALTO: '<=',
  COMPARE_GREATERTHAN: '>',
  COMPARE_GREATERTHANOREQUALTO: '>=',
  COMPARE_DISTINCT_FROM: 'is_distinct_from',
  COMPARE_NOT_DISTINCT_FROM: 'is_not_distinct_from',
};

const OPERATORS: Readonly<Record<string, string>> = {
  OPERATOR_NOT: 'not',
  OPERATOR_IS_NULL: 'is_null',
  OPERATOR_IS_NOT_NULL: 'is_not_null',
  OPERATOR_COALESCE: 'coalesce',
  COMPARE_IN: 'in',
  CONJUNCTION_AND: 'and',
  CONJUNCTION_OR: 'or',
};

/** What DuckDB's parser calls the opposite of a form. */
const OPPOSITES: ReadonlyMap<string, string> = new Map(
  Object.entries({
    '!~~': '~~',
    '!~~*': '~~*',
    not_like_escape: 'like_escape',
    not_ilike_escape: 'ilike_escape',
  }),
);

/** DuckDB refuses SQL of more than 1000 levels, and a form may be several of them (`//`, `->>`). */
const DEPTH_MAX = 50;

class Resolver {
  readonly #parsed: ParsedSql;
  readonly #scope: Scope;
  readonly #spans = new Map<Tree, readonly [number, number]>();
  #depth = 0;

  constructor(parsed: ParsedSql, scope: Scope) {
    this.#parsed = parsed;
    this.#scope = scope;
  }

  resolve(node: SqlNode): Tree {
    if (++this.#depth > DEPTH_MAX)
      this.#refuse(node, { message: `the expression is more than ${DEPTH_MAX} levels deep` });
    const tree = this.#resolve(node);
    this.#depth--;
    if (!this.#spans.has(tree)) this.#spans.set(tree, this.#spanOf(node));
    return tree;
  }

  #resolve(node: SqlNode): Tree {
    switch (node.class) {
      case 'CONSTANT': {
        const literal = literalOf(node, this.#parsed.text.slice(...this.#spanOf(node)));
        return 'message' in literal ? this.#refuse(node, literal) : literal;
      }
      case 'COLUMN_REF':
        return this.#field(node);
      case 'COMPARISON':
        return this.#call(node, COMPARISONS[node.type], [node['left'], node['right']]);
      case 'CONJUNCTION':
        return this.#call(node, OPERATORS[node.type], node['children']);
      case 'BETWEEN':
        return this.#call(node, 'between', [node['input'], node['lower'], node['upper']]);
      case 'CASE':
        return this.#case(node);
      case 'CAST':
        return this.#cast(node);
      case 'OPERATOR':
        return this.#operator(node);
      case 'FUNCTION':
        return this.#function(node);
      default:
        return this.#refuse(node, unsupported(node));
    }
  }

  #field(node: SqlNode): Tree {
    const name = (node['column_names'] as readonly string[]).join('.');
    const type = this.#scope.typeOf(name);
    if (type !== undefined) return field(name, type);
    const { message, hint } = unsupportedWord(name) ?? this.#scope.unknown(name);
    const said = this.#hintOfSigns(node, name) ?? hint;
    return this.#refuse(node, said === undefined ? { message } : { message, hint: said });
  }

  /** SQL takes signs within the name of a field (`labels.app-name`) for operators. */
  #hintOfSigns(node: SqlNode, written: string): string | undefined {
    const { text } = this.#parsed;
    const [before = ''] = written.split('-');
    if (before !== written && this.#scope.typeOf(before) !== undefined) return 'write blanks around the -';
    const [start] = this.#spanOf(node);
    const head = /[^\s'"(),=<>]*$/.exec(text.slice(0, start))![0];
    const name = head + /^[^\s'"(),=<>]*/.exec(text.slice(start))![0];
    return this.#scope.typeOf(name) === undefined ? undefined : `write "${name}" in double quotes`;
  }

  #operator(node: SqlNode): Tree {
    // There is nothing to try: what fails is NULL.
    const children = node['children'] as readonly SqlNode[];
    if (node.type === 'OPERATOR_TRY') return this.resolve(children[0]!);
    if (node.type === 'COMPARE_NOT_IN') {
      const inList = this.#call(node, 'in', children);
      return this.#form(node, 'not', [inList]);
    }
    return this.#call(node, OPERATORS[node.type], children);
  }

  #case(node: SqlNode): Tree {
    const checks = node['case_checks'] as readonly { readonly when_expr: SqlNode; readonly then_expr: SqlNode }[];
    const children = checks.flatMap(({ when_expr: when, then_expr: then }) => [when, then]);
    return this.#call(node, 'case', [...children, node['else_expr']]);
  }

  /** What is cast to is the last argument of the form, as a text. Of a constant the result is one. */
  #cast(node: SqlNode): Tree {
    const child = this.resolve(node['child'] as SqlNode);
    const type = typeName(node['cast_type'] as CastType);
    const cast = this.#form(node, 'cast', [child, constant('text', type)]);
    if (child.kind !== 'constant') return cast;
    const { value, isLost } = constantOf(cast);
    const of = cutText(JSON.stringify(child.value));
    if (isLost) this.#refuse(node['child'] as SqlNode, { message: `${of} cannot be cast to ${type.toLowerCase()}` });
    return constant(cast.type, typeof value === 'bigint' ? String(value) : value);
  }

  #function(node: SqlNode): Tree {
    const name = String(node['function_name']).toLowerCase();
    const children = node['children'] as readonly SqlNode[];
    const shifted = this.#shifted(node, name, children);
    if (shifted !== undefined) return shifted;
    const isPlain =
      node['filter'] === null &&
      node['distinct'] === false &&
      !hasOrder(node) &&
      children.every(({ alias }) => alias === '');
    const opposite = OPPOSITES.get(name);
    if (ownerOf(node) !== undefined || !isPlain || formCalled(opposite ?? name) === undefined)
      return this.#refuse(node, unsupported(node));
    const tree = this.#call(node, opposite ?? name, children);
    return opposite === undefined ? tree : this.#form(node, 'not', [tree]);
  }

  /** A time and an interval, which has no type of its own: it is a constant. */
  #shifted(node: SqlNode, name: string, children: readonly SqlNode[]): Tree | undefined {
    if ((name !== '+' && name !== '-') || children.length !== 2) return undefined;
    const places = name === '+' ? [1, 0] : [1];
    for (const at of places) {
      const ms = intervalMsOf(children[at]!);
      if (ms === undefined) continue;
      if (typeof ms !== 'number') return this.#refuse(children[at]!, ms);
      const time = this.resolve(children[1 - at]!);
      return this.#form(node, 'time_plus', [time, constant('long', String(name === '-' ? -ms : ms))]);
    }
    return undefined;
  }

  #call(node: SqlNode, called: string | undefined, children: unknown): Tree {
    if (called === undefined) return this.#refuse(node, unsupported(node));
    return this.#form(
      node,
      called,
      (children as readonly SqlNode[]).map((child) => this.resolve(child)),
    );
  }

  #form(node: SqlNode, called: string, args: readonly Tree[]): Tree {
    const form = formCalled(called) ?? formNamed(called);
    const resolved = form.resolve(args, called);
    if (!isFormProblem(resolved)) return call(form.name, resolved.type, resolved.args);
    const span = resolved.arg === undefined ? undefined : this.#spans.get(args[resolved.arg]!);
    return this.#refuse(node, resolved, span);
  }

  #refuse(node: SqlNode, { message, hint }: FormProblem, span = this.#spanOf(node)): never {
    const [start, end] = span;
    throw new Refusal({ message, ...(hint === undefined ? {} : { hint }), start, end });
  }

  /** The word, the literal or the sign at the node's place; where DuckDB names none, the whole text. */
  #spanOf(node: SqlNode): readonly [number, number] {
    const { text } = this.#parsed;
    const place = this.#parsed.placeOf(node) ?? this.#placeWithin(node);
    if (place === undefined) return [0, text.length];
    const sign = node.class === 'CONSTANT' && text[place] === '-' ? 1 : 0;
    const token =
      /^(?:'(?:[^']|'')*'|"(?:[^"]|"")*"|[@\p{L}_][\p{L}\p{N}_@.]*|[\d.]+(?:[eE][+-]?\d+)?|[^\s\w'"()]+|.)/u.exec(
        text.slice(place + sign),
      );
    return [place, place + sign + Math.max(1, token?.[0].length ?? 1)];
  }

  #placeWithin(node: SqlNode): number | undefined {
    for (const value of Object.values(node)) {
      for (const child of Array.isArray(value) ? value : [value]) {
        if (typeof child !== 'object' || child === null || !('class' in child)) continue;
        const place = this.#parsed.placeOf(child as SqlNode) ?? this.#placeWithin(child as SqlNode);
        if (place !== undefined) return place;
      }
    }
    return undefined;
  }
}

interface CastType {
  readonly id: string;
  readonly type_info: { readonly name?: string } | null;
}

/** DuckDB's own types by their names in capitals, others as they are written, which no type of ours is. */
function typeName({ id, type_info: info }: CastType): string {
  return id === 'UNBOUND' ? (info?.name ?? id).toLowerCase() : id;
}

function hasOrder(node: SqlNode): boolean {
  return ((node['order_bys'] as { readonly orders?: readonly unknown[] } | null)?.orders?.length ?? 0) > 0;
}
