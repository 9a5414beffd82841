import type { SqlNode } from './sql-node.ts';

const REGEXP = /^regexp_/;

/** A constant that DuckDB is to compile as a regular expression, and the node that says so. */
export interface PatternNode {
  readonly node: SqlNode;
  readonly pattern: string;
}

/** The constant patterns of an expression, in no order: DuckDB bounds their size, and nobody else knows how. */
export function patternsIn(root: SqlNode): PatternNode[] {
  const found: PatternNode[] = [];
  const waiting: unknown[] = [root];
  while (waiting.length > 0) {
    const value = waiting.pop();
    if (typeof value !== 'object' || value === null) continue;
    waiting.push(...Object.values(value));
    const { function_name: name, children } = value as Readonly<Record<string, unknown>>;
    if (typeof name !== 'string' || !REGEXP.test(name) || !Array.isArray(children)) continue;
    const node = children[1] as SqlNode | undefined;
    const constant = (node?.['value'] as { readonly value?: unknown } | undefined)?.value;
    if (node !== undefined && typeof constant === 'string') found.push({ node, pattern: constant });
  }
  return found;
}
