import { PatternError } from './name-pattern.ts';

/** More alternatives are a mistake, or an attack: each one costs a walk at every scan. */
export const ALTERNATIVES_MAX = 1000;

/** Text as it stands, or the alternatives of a group. */
type Part = string | readonly Part[][];

/**
 * `a{b,c{d,e}}` → `ab`, `acd`, `ace`. A brace without its partner or without a comma stands for itself, as in a shell.
 * Throws a PatternError beyond {@link ALTERNATIVES_MAX}, before anything is expanded.
 */
export function expandBraces(pattern: string): string[] {
  if (!pattern.includes('{')) return [pattern];
  const parts = parse(pattern);
  if (countOf(parts) > ALTERNATIVES_MAX) {
    throw new PatternError(`its braces have more than ${ALTERNATIVES_MAX} alternatives: use * or several patterns`);
  }
  return expand(parts);
}

function parse(pattern: string): Part[] {
  /** Groups that are open: where their brace stands, their alternatives, and what was before them. */
  const open: { readonly alternatives: Part[][]; readonly outer: Part[] }[] = [];
  let current: Part[] = [];
  for (let i = 0; i < pattern.length; i++) {
    const char = pattern[i]!;
    if (char === '\\') append(current, pattern.slice(i, ++i + 1));
    else if (char === '{') {
      open.push({ alternatives: [], outer: current });
      current = [];
    } else if (char === ',' && open.length > 0) {
      open.at(-1)!.alternatives.push(current);
      current = [];
    } else if (char === '}' && open.length > 0) {
      const { alternatives, outer } = open.pop()!;
      if (alternatives.length > 0) outer.push([...alternatives, current]);
      else {
        refuseRange(current);
        append(outer, '{', ...current, '}');
      }
      current = outer;
    } else append(current, char);
  }
  for (const { alternatives, outer } of open.toReversed()) {
    append(outer, '{', ...alternatives.flatMap((alternative) => [...alternative, ',']), ...current);
    current = outer;
  }
  return current;
}

/** Text grows the text before it: parts are as many as groups, however long the pattern is. */
function append(parts: Part[], ...more: readonly Part[]): void {
  for (const part of more) {
    const last = parts.at(-1);
    if (typeof part === 'string' && typeof last === 'string') parts[parts.length - 1] = last + part;
    else parts.push(part);
  }
}

function refuseRange(parts: readonly Part[]): void {
  const text = parts.every((part) => typeof part === 'string') ? parts.join('') : '';
  if (!/^[^.]+\.\.[^.]+(\.\.[^.]+)?$/.test(text)) return;
  throw new PatternError(`{${text}} is a range of a shell, which is not read: write [0-9], or {1,2,3}`);
}

/** How many texts the parts make; Infinity, where they are beyond numbers, is a count like others. */
function countOf(parts: readonly Part[]): number {
  let count = 1;
  for (const part of parts) {
    if (typeof part !== 'string') count *= part.reduce((sum, alternative) => sum + countOf(alternative), 0);
  }
  return count;
}

function expand(parts: readonly Part[]): string[] {
  let texts = [''];
  for (const part of parts) {
    if (typeof part === 'string') texts = texts.map((text) => text + part);
    else {
      const middles = part.flatMap(expand);
      texts = texts.flatMap((text) => middles.map((middle) => text + middle));
    }
  }
  return texts;
}
