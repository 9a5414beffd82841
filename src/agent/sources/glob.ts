import { readdirSync, type Dirent } from 'node:fs';
import { resolve } from 'node:path';
import { systemErrorCode } from '../../lib/errors.ts';
import { expandBraces } from './braces.ts';
import { NamePattern, PatternError } from './name-pattern.ts';

/** Directories below a `**` that are entered, at most this deep: symbolic links are not followed, so only real trees count. */
const DEPTH_MAX = 32;

/** The longest path that Linux takes. */
const PATTERN_CHARACTERS_MAX = 4096;

/** Two say all that more of them could, and each one more is a walk through the walk. */
const ANY_DIRECTORIES_MAX = 2;

/** One alternative of a pattern, cut at its slashes: a pattern for each name, `**` for any directories. */
type Segment = NamePattern | typeof ANY_DIRECTORIES;
const ANY_DIRECTORIES = Symbol('**');

/** Called for a directory that is there and cannot be listed. */
export type OnUnlistable = (directory: string, error: unknown) => void;

/**
 * Paths by pattern: what {@link NamePattern} has for names, `{a,b}` and `**`. `*` and `?` match no slash and no leading dot. A pattern without
 * any of these is a path, and costs no listing.
 */
export class Glob {
  readonly pattern: string;
  /** The path, where the pattern is one. */
  readonly literal: string | undefined;
  readonly #alternatives: readonly (readonly Segment[])[];

  /** Throws a PatternError. */
  constructor(pattern: string) {
    this.pattern = pattern;
    refuseText(pattern);
    this.#alternatives = expandBraces(pattern).map((alternative) => segmentsOf(resolve(alternative)));
    const [only, ...others] = this.#alternatives;
    this.literal = others.length === 0 && only !== undefined ? pathOf(only) : undefined;
  }

  /** Every path the pattern finds now, each once, in no order. */
  expand(onUnlistable: OnUnlistable): string[] {
    if (this.literal !== undefined) return [this.literal];
    const walk = new Walk(onUnlistable);
    for (const segments of this.#alternatives) walk.enter('', segments, 0, 0);
    return [...walk.paths];
  }

  matches(path: string): boolean {
    const names = path.split('/').filter((text) => text !== '');
    return this.#alternatives.some((segments) => matchNames(segments, 0, names, 0));
  }
}

/** Whether a path is excluded by one of the patterns; a pattern without a slash is matched against the last name. Throws a PatternError. */
export function compileExclude(patterns: readonly string[]): (path: string) => boolean {
  for (const pattern of patterns) refuseText(pattern);
  const whole = patterns.filter((pattern) => pattern.includes('/')).map((pattern) => new Glob(pattern));
  const names = patterns
    .filter((pattern) => !pattern.includes('/'))
    .flatMap(expandBraces)
    .map((pattern) => new NamePattern(pattern));
  if (patterns.length === 0) return () => false;
  return (path) => {
    const name = path.slice(path.lastIndexOf('/') + 1);
    return names.some((pattern) => pattern.matches(name)) || whole.some((glob) => glob.matches(path));
  };
}

/** What is wrong with a pattern, and what to write; undefined where nothing is. */
export function patternProblem(pattern: string): string | undefined {
  try {
    compileExclude([pattern]);
    return undefined;
  } catch (error) {
    if (error instanceof PatternError) return error.message;
    throw error;
  }
}

/** The pattern that matches this path and nothing else. */
export function literalPattern(path: string): string {
  return path.replaceAll(/[\\*?[\]{},!@+()]/g, '\\$&');
}

/** A pattern as one of whole paths: what is relative begins at `folder`, whose name is meant as it is. */
export function absolutePatterns(folder: string, pattern: string): string[] {
  const alternatives = pattern.startsWith('{') ? expandBraces(pattern) : [pattern];
  const isMixed = alternatives.some((alternative) => alternative.startsWith('/'));
  return (isMixed ? alternatives : [pattern]).map((alternative) =>
    alternative.startsWith('/') ? alternative : `${literalPattern(folder)}/${alternative}`,
  );
}

/** A pattern that names one path is shown as that path. */
export function shownPattern(pattern: string): string {
  return new Glob(pattern).literal ?? pattern;
}

function refuseText(pattern: string): void {
  if (pattern.includes('\0')) throw new PatternError('no path has a NUL in it');
  if (pattern.length > PATTERN_CHARACTERS_MAX)
    throw new PatternError(`has ${pattern.length} characters: a path has at most ${PATTERN_CHARACTERS_MAX}`);
  if (pattern.startsWith('!'))
    throw new PatternError('begins with !: list under exclude what is left out, or write \\! for a name that has it');
  if (/^~[^/]*\//.test(pattern) || pattern === '~')
    throw new PatternError('~ is for a shell: write the folder out, or ./~ for one that is called so');
}

function segmentsOf(path: string): Segment[] {
  const segments: Segment[] = [];
  for (const text of path.split('/')) {
    if (text === '') continue;
    if (text !== '**') segments.push(new NamePattern(text));
    else if (segments.at(-1) !== ANY_DIRECTORIES) segments.push(ANY_DIRECTORIES);
  }
  if (segments.filter((segment) => segment === ANY_DIRECTORIES).length > ANY_DIRECTORIES_MAX)
    throw new PatternError(`takes at most ${ANY_DIRECTORIES_MAX} times **`);
  return segments;
}

function pathOf(segments: readonly Segment[]): string | undefined {
  const names = segments.map((segment) => (segment === ANY_DIRECTORIES ? undefined : segment.literal));
  return names.includes(undefined) ? undefined : `/${names.join('/')}`;
}

class Walk {
  readonly paths = new Set<string>();
  readonly #onUnlistable: OnUnlistable;

  constructor(onUnlistable: OnUnlistable) {
    this.#onUnlistable = onUnlistable;
  }

  enter(base: string, segments: readonly Segment[], index: number, depth: number): void {
    const segment = segments[index];
    if (segment === undefined) {
      this.paths.add(base);
      return;
    }
    const isLast = index === segments.length - 1;
    if (segment === ANY_DIRECTORIES) {
      if (!isLast) this.enter(base, segments, index + 1, depth);
      for (const entry of this.#list(base)) {
        const path = `${base}/${entry.name}`;
        if (isLast && !entry.isDirectory()) this.paths.add(path);
        const isEntered = entry.isDirectory() && depth < DEPTH_MAX && !entry.name.startsWith('.');
        if (isEntered) this.enter(path, segments, index, depth + 1);
      }
    } else if (segment.literal !== undefined) {
      this.enter(`${base}/${segment.literal}`, segments, index + 1, depth);
    } else {
      for (const entry of this.#list(base)) {
        if (!segment.matches(entry.name)) continue;
        const path = `${base}/${entry.name}`;
        if (isLast) this.paths.add(path);
        else if (entry.isDirectory() || entry.isSymbolicLink()) this.enter(path, segments, index + 1, depth);
      }
    }
  }

  #list(base: string): readonly Dirent[] {
    const directory = base === '' ? '/' : base;
    try {
      return readdirSync(directory, { withFileTypes: true });
    } catch (error) {
      const code = systemErrorCode(error);
      // Where bytes that are no UTF-8 were replaced, that is why it is not there.
      const isAbsent = (code === 'ENOENT' || code === 'ENOTDIR') && !directory.includes('\ufffd');
      if (!isAbsent) this.#onUnlistable(directory, error);
      return [];
    }
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
  return name !== undefined && segment.matches(name) && matchNames(segments, index + 1, names, at + 1);
}
