import { EXIT, OperatingError } from '../lib/errors.ts';
import { escapeText, withoutCredentials } from '../lib/escape.ts';

/** At most this many problems of a file are shown: enough to mend it in one go, few enough to stay on a screen. */
const PROBLEMS_MAX = 20;

/** Lines are cut for display beyond this many characters. */
const LINE_SHOWN_MAX = 120;

export interface Position {
  /** From 1. */
  readonly line: number;
  /** From 1, in UTF-16 units as editors count. */
  readonly column: number;
  /** How many characters the carets underline, at least 1. */
  readonly length: number;
}

/** One thing wrong in a configuration, and what would be right. */
export interface Problem {
  /** Stable name for programs, such as `CONFIG_UNKNOWN_KEY`. */
  readonly code: string;
  /** What is wrong, in one line without a full stop. */
  readonly message: string;
  /** Shown beside the carets: the right name, the right form. */
  readonly hint?: string | undefined;
  /** Undefined for what stands in no file: an environment variable. */
  readonly position?: Position | undefined;
}

/** The configuration cannot be used. The message holds every problem, each with its place. */
export class ConfigError extends OperatingError {
  readonly problems: readonly Problem[];

  constructor(path: string, text: string, problems: readonly Problem[]) {
    const shown = problems.slice(0, PROBLEMS_MAX).map((problem) => renderProblem(path, text, problem));
    const rest = problems.length - shown.length;
    if (rest > 0) shown.push(`and ${rest} more ${rest === 1 ? 'problem' : 'problems'} in ${path}`);
    super(shown.join('\n\n'), { code: 'CONFIG_INVALID', exitCode: EXIT.config });
    this.problems = problems;
  }
}

/** A problem as compilers show it: where, the line itself, carets under the culprit, the way out. `text` has no secrets any more. */
export function renderProblem(path: string, text: string, problem: Problem): string {
  const title = `error ${problem.code}: ${escapeText(withoutCredentials(problem.message))}`;
  const { position } = problem;
  const hint = problem.hint === undefined ? undefined : escapeText(withoutCredentials(problem.hint));
  if (position === undefined) return hint === undefined ? title : `${title}\n  = ${hint}`;
  const number = String(position.line);
  const margin = ' '.repeat(number.length);
  const line = text.split('\n')[position.line - 1]?.replace(/\r$/, '') ?? '';
  // A long line is shown from shortly before the culprit.
  const cutAt = position.column > LINE_SHOWN_MAX - 20 ? position.column - 20 : 0;
  const before = escapeText(line.slice(cutAt, position.column - 1).replaceAll('\t', ' '));
  const shown = escapeText(line.slice(cutAt, cutAt + LINE_SHOWN_MAX).replaceAll('\t', ' '));
  const carets = '^'.repeat(Math.max(1, Math.min(position.length, shown.length - before.length)));
  return [
    title,
    `${margin} ┌─ ${escapeText(path)}:${position.line}:${position.column}`,
    `${number} │ ${shown}`,
    `${margin} │ ${' '.repeat(before.length)}${carets}${hint === undefined ? '' : ` ${hint}`}`,
  ].join('\n');
}
