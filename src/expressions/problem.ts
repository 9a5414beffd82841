/** What is wrong with an expression, and where in its text, in UTF-16 units. */
export interface ExpressionProblem {
  /** In one line without a full stop. */
  readonly message: string;
  /** What to write instead. */
  readonly hint?: string;
  readonly start: number;
  readonly end: number;
}
