import { readdirSync, type Dirent } from 'node:fs';
import { resolve } from 'node:path';
import { systemErrorCode } from '../../lib/errors.ts';

/** Directories below a `**` that are entered, at most this deep: symbolic links are not followed, so only real trees count. */
const DEPTH_MAX = 32;

/** One alternative of a pattern, cut at its slashes: text stands for itself, a RegExp for names, `**` for any directories. */
type Segment = string | RegExp | typeof ANY_DIRECTORIES;
const ANY_DIRECTORIES = Symbol('**');

/** Called for a directory that is there and cannot be listed. */
export type OnUnlistable = (directory: string, error: unknown) => void;

/**
 * Paths by pattern: `*`, `?`, `[a-z]`, `[!a-z]`, `{a,b}` and `**`, a backslash before a character that stands for itself.
 * `*` and `?` match no slash and no leading dot. A pattern without any of these is a path, and costs no listing.
 */
export class Glob {
  readonly pattern: string;
  /** The path, where the pattern is one. */
  readonly literal: string | undefined;
  readonly #alternatives: readonly (readonly Segment[])[];

  constructor(pattern: string) {
    this.pattern = pattern;
    this.literal = isLiteral(pattern) ? resolve(unescape(pattern)) : undefined;
    this.#alternatives = expandBraces(pattern).map((alternative) =>
      resolve(alternative)
        .split('/')
        .filter((text) => text !== '')
        .map(compileSegment),
    );
  }

  /** Every path the pattern finds now, each once, in no order. */
  expand(onUnlistable: OnUnlistable): string[] {
    if (this.literal !== undefined) return [this.literal];
    const paths = new Set<string>();
    for (const segments of this.#alternatives) walk('', segments, 0, 0, paths, onUnlistable);
    return [...paths];
  }

  matches(path: string): boolean {
    const names = path.split('/').filter((text) => text !== '');
    return this.#alternatives.some((segments) => matchNames(segments, 0, names, 0));
  }
}

/** Whether a path is excluded by one of the patterns; a pattern without a slash is matched against the last name. */
export function compileExclude(patterns: readonly string[]): (path: string) => boolean {
  const whole = patterns.filter((pattern) => pattern.includes('/')).map((pattern) => new Glob(pattern));
  const names = patterns
    .filter((pattern) => !pattern.includes('/'))
    .flatMap(expandBraces)
    .map(compileSegment);
  if (patterns.length === 0) return () => false;
  return (path) => {
    const name = path.slice(path.lastIndexOf('/') + 1);
    return names.some((segment) => matchName(segment, name)) || whole.some((glob) => glob.matches(path));
  };
}

function walk(
  base: string,
  segments: readonly Segment[],
  index: number,
  depth: number,
  out: Set<string>,
  onUnlistable: OnUnlistable,
): void {
  const segment = segments[index];
  if (segment === undefined) {
    out.add(base);
    return;
  }
  if (typeof segment === 'string') return walk(`${base}/${segment}`, segments, index + 1, depth, out, onUnlistable);
  const isLast = index === segments.length - 1;
  if (segment === ANY_DIRECTORIES && !isLast) walk(base, segments, index + 1, depth, out, onUnlistable);
  for (const entry of list(base === '' ? '/' : base, onUnlistable)) {
    const path = `${base}/${entry.name}`;
    if (segment === ANY_DIRECTORIES) {
      if (isLast && !entry.isDirectory()) out.add(path);
      if (entry.isDirectory() && depth < DEPTH_MAX && !entry.name.startsWith('.')) {
        walk(path, segments, index, depth + 1, out, onUnlistable);
      }
    } else if (segment.test(entry.name)) {
      if (isLast) out.add(path);
      else if (entry.isDirectory() || entry.isSymbolicLink()) walk(path, segments, index + 1, depth, out, onUnlistable);
    }
  }
}

function list(directory: string, onUnlistable: OnUnlistable): readonly Dirent[] {
  try {
    return readdirSync(directory, { withFileTypes: true });
  } catch (error) {
    const code = systemErrorCode(error);
    if (code !== 'ENOENT' && code !== 'ENOTDIR') onUnlistable(directory, error);
    return [];
  }
}

function matchNames(segments: readonly Segment[], index: number, names: readonly string[], at: number): boolean {
  const segment = segments[index];
  if (segment === undefined) return at === names.length;
  if (segment === ANY_DIRECTORIES) {
    if (index === segments.length - 1) return true;
    for (let next = at; next < names.length; next++) if (matchNames(segments, index + 1, names, next)) return true;
    return false;
  }
  const name = names[at];
  return name !== undefined && matchName(segment, name) && matchNames(segments, index + 1, names, at + 1);
}

function matchName(segment: Segment, name: string): boolean {
  if (typeof segment === 'string') return segment === name;
  return segment === ANY_DIRECTORIES || segment.test(name);
}

function isLiteral(pattern: string): boolean {
  return !/(?:^|[^\\])(?:\\\\)*[*?[{]/.test(pattern);
}

function unescape(text: string): string {
  return text.replaceAll(/\\(.)/g, '$1');
}

/** `a{b,c{d,e}}` → `ab`, `acd`, `ace`. A brace without its partner stands for itself. */
function expandBraces(pattern: string): string[] {
  let depth = 0;
  let open = -1;
  const cuts: number[] = [];
  for (let i = 0; i < pattern.length; i++) {
    const char = pattern[i];
    if (char === '\\') i++;
    else if (char === '{' && depth++ === 0) open = i;
    else if (char === ',' && depth === 1) cuts.push(i);
    else if (char === '}' && depth > 0 && --depth === 0) {
      const ends = [open, ...cuts, i];
      return ends
        .slice(1)
        .map((end, part) => pattern.slice(ends[part]! + 1, end))
        .flatMap((middle) => expandBraces(pattern.slice(0, open) + middle + pattern.slice(i + 1)));
    }
  }
  return [pattern];
}

function compileSegment(text: string): Segment {
  if (text === '**') return ANY_DIRECTORIES;
  if (isLiteral(text)) return unescape(text);
  let source = text.startsWith('*') || text.startsWith('?') || text.startsWith('[') ? '(?!\\.)' : '';
  for (let i = 0; i < text.length; i++) {
    const char = text[i]!;
    const close = char === '[' ? text.indexOf(']', i + 2) : -1;
    if (char === '*') source += '.*';
    else if (char === '?') source += '.';
    else if (close > 0) {
      source += `[${text
        .slice(i + 1, close)
        .replace(/^!/, '^')
        .replaceAll(/[\\[]/g, '\\$&')}]`;
      i = close;
    } else {
      const plain = char === '\\' && i + 1 < text.length ? text[++i]! : char;
      source += plain.replaceAll(/[$()*+.?[\\\]^{|}/]/g, '\\$&');
    }
  }
  return new RegExp(`^${source}$`, 's');
}
