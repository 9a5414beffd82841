/** Where something stands in the text, for carets. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

export const OPERATORS = ['>=', '<=', '!=', ':', '=', '>', '<'] as const;
export type Operator = (typeof OPERATORS)[number];

export interface SearchValue extends Span {
  readonly text: string;
  readonly isQuoted: boolean;
}

export type SearchNode =
  | { readonly kind: 'and' | 'or'; readonly nodes: readonly SearchNode[] }
  | { readonly kind: 'not'; readonly node: SearchNode }
  /** Words of the line itself. */
  | { readonly kind: 'text'; readonly value: SearchValue }
  | { readonly kind: 'field'; readonly field: SearchValue; readonly operator: Operator; readonly value: SearchValue };
