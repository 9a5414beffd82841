import {
  type Document,
  LineCounter,
  type Node,
  type Pair,
  type YAMLError,
  type YAMLMap,
  isAlias,
  isMap,
  isNode,
  isScalar,
  isSeq,
  parseDocument,
  visit,
} from 'yaml';
import type { Position, Problem } from './problem.ts';
import { isSecretKey } from './secrets.ts';

/** A configuration is written by hand; anything longer is not a configuration. */
export const CONFIG_BYTES_MAX = 1024 * 1024;

/** Aliases of a hand-written file are few; a bomb has thousands once expanded. */
const ALIASES_MAX = 100;

/** The deepest setting is at a tenth of it. */
const DEPTH_MAX = 100;

/** A thousand rollups have fewer. */
const KEYS_MAX = 20_000;

/** So many are looked for: a screen shows no more. */
const STRUCTURE_PROBLEMS_MAX = 20;

export type Path = readonly (string | number)[];

/** A part of a text: from `start` to before `end`, in UTF-16 units. */
export interface TextSpan {
  readonly start: number;
  readonly end: number;
}

/** A parsed YAML file: the plain values, and for each path where it stands. */
export interface ConfigDocument {
  /** Undefined when the text is no YAML: then `problems` says why. */
  readonly value: unknown;
  readonly problems: readonly Problem[];
  /** Where values stand that nobody should see: begin and end in the text. */
  readonly secrets: readonly (readonly [number, number])[];
  /** Where the value of a path stands, or a part of its text; of the nearest parent's key, when the path is not in the file. */
  valueAt(path: Path, within?: TextSpan): Position;
  /** Where the last key of a path stands. */
  keyAt(path: Path): Position;
}

export function parseConfigDocument(text: string): ConfigDocument {
  const lines = new LineCounter();
  const at = (start: number, end: number): Position => toPosition(text, lines, start, end);
  const parsed = parse(text, lines);
  if (parsed === undefined) return withoutValue([TOO_DEEP]);
  const root = parsed.contents;
  const problems = [
    ...[...parsed.errors, ...parsed.warnings].map((error) => yamlProblem(error, text, at)),
    ...structureProblems(root, at),
  ];
  let value: unknown;
  if (problems.length === 0) {
    try {
      value = parsed.toJS({ maxAliasCount: ALIASES_MAX });
    } catch (error) {
      problems.push(error instanceof RangeError ? TOO_DEEP : aliasProblem(root, error, at));
    }
  }
  const index = new KeyIndex();
  return {
    value,
    problems,
    secrets: secretSpans(root),
    valueAt: (path, within) => locate(root, path, 'value', within === undefined ? at : atPart(text, within, at), index),
    keyAt: (path) => locate(root, path, 'key', at, index),
  };
}

/** Undefined where the text is nested so deep that the parser gives up. */
function parse(text: string, lines: LineCounter): Document.Parsed | undefined {
  try {
    // Duplicate keys are found below: the parser compares each with each.
    const document = parseDocument(text, {
      lineCounter: lines,
      prettyErrors: false,
      version: '1.2',
      uniqueKeys: false,
    });
    return document.errors.some(({ message }) => message.includes('call stack')) ? undefined : document;
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}

const TOO_DEEP: Problem = {
  code: 'CONFIG_YAML',
  message: 'the file is nested too deeply to be a configuration',
  hint: 'write it in a few levels',
  position: { line: 1, column: 1, length: 1 },
};

function withoutValue(problems: readonly Problem[]): ConfigDocument {
  const nowhere = (): Position => ({ line: 1, column: 1, length: 1 });
  return { value: undefined, problems, secrets: [], valueAt: nowhere, keyAt: nowhere };
}

/** What a parser takes and a configuration must not have: duplicate keys, circles, depths, and more keys than anybody writes. */
function structureProblems(root: Node | null, at: At): Problem[] {
  const problems: Problem[] = [];
  const report = (node: Node, problem: Omit<Problem, 'code' | 'position'>, code = 'CONFIG_YAML'): void => {
    const [start, end] = node.range ?? [0, 1];
    problems.push({ ...problem, code, position: at(start, end) });
  };
  let keys = 0;
  const isEnough = (): boolean => problems.length >= STRUCTURE_PROBLEMS_MAX;
  visit(root, {
    Node: (_key, node, path) => {
      if (path.length > DEPTH_MAX) {
        problems.push(TOO_DEEP);
        return visit.BREAK;
      }
      if (!isAlias(node)) return isEnough() ? visit.BREAK : undefined;
      const isCircle = path.some((parent) => isNode(parent) && 'anchor' in parent && parent.anchor === node.source);
      const hint = 'write the values out';
      if (isCircle) report(node, { message: `alias *${node.source} stands in what it is the name of`, hint });
      return isCircle ? visit.BREAK : undefined;
    },
    Map: (_key, map) => {
      keys += map.items.length;
      if (keys > KEYS_MAX) {
        report(map, {
          message: `the file has more than ${KEYS_MAX} keys`,
          hint: 'name several files by a pattern instead',
        });
        return visit.BREAK;
      }
      const seen = new Set<string>();
      for (const { key } of map.items) {
        if (!isScalar(key)) continue;
        const name = String(key.value);
        if (seen.has(name)) {
          report(key, { message: 'a map has the same key twice', hint: 'remove one' }, 'CONFIG_DUPLICATE_KEY');
        } else if (name === '__proto__') {
          report(key, { message: 'the name "__proto__" cannot be used', hint: 'choose another name' }, 'CONFIG_VALUE');
        }
        seen.add(name);
      }
      return isEnough() ? visit.BREAK : undefined;
    },
  });
  return problems;
}

/** Where values of secret keys stand, however they are written. */
function secretSpans(root: Node | null): (readonly [number, number])[] {
  const spans: (readonly [number, number])[] = [];
  try {
    visit(root, {
      Pair: (_key, { key, value }) => {
        if (!isScalar(key) || !isSecretKey(String(key.value)) || !isNode(value)) return;
        if (value.range !== undefined && value.range !== null) spans.push([value.range[0], value.range[1]]);
      },
    });
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
  }
  return spans;
}

/** Pairs of a map by their keys, so that a place is found at once in a map of thousands. */
class KeyIndex {
  readonly #maps = new WeakMap<YAMLMap, Map<string, Pair>>();

  pairOf(map: YAMLMap, key: string): Pair | undefined {
    let pairs = this.#maps.get(map);
    if (pairs === undefined) {
      pairs = new Map(
        map.items.flatMap((item) => (isScalar(item.key) ? [[String(item.key.value), item] as const] : [])),
      );
      this.#maps.set(map, pairs);
    }
    return pairs.get(key);
  }
}

type At = (start: number, end: number) => Position;

function toPosition(text: string, lines: LineCounter, start: number, end: number): Position {
  const { line, col } = lines.linePos(start);
  const lineEnd = text.indexOf('\n', start);
  const stop = Math.min(end, lineEnd === -1 ? text.length : lineEnd);
  return { line: Math.max(1, line), column: Math.max(1, col), length: Math.max(1, stop - start) };
}

function yamlProblem(error: YAMLError, text: string, at: At): Problem {
  const position = at(error.pos[0], error.pos[1]);
  if (error.code === 'MULTIPLE_DOCS') {
    return { code: 'CONFIG_YAML', message: 'the file holds several YAML documents', hint: 'keep one', position };
  }
  const message = error.message.replace(/\s+/g, ' ').replace(/[.:\s]+$/, '');
  const line = text.split('\n', position.line)[position.line - 1] ?? '';
  // Braces and brackets have a meaning of their own in a list or map of one line.
  const hint = /[[{][^"']*\$\{/.test(line) ? 'put references in quotes there: "${env:NAME}"' : undefined;
  return { code: 'CONFIG_YAML', message: `not valid YAML: ${message}`, hint, position };
}

/** An alias without its anchor, or so many that the document would explode. */
function aliasProblem(root: Node | null, error: unknown, at: At): Problem {
  const anchors = new Set<string>();
  let culprit: Node | undefined;
  let isUnresolved = false;
  visit(root, {
    Node: (_key, node) => {
      if (!isAlias(node)) {
        if ('anchor' in node && node.anchor !== undefined) anchors.add(node.anchor);
        return undefined;
      }
      culprit = node;
      isUnresolved = !anchors.has(node.source);
      return isUnresolved ? visit.BREAK : undefined;
    },
  });
  const [start, end] = culprit?.range ?? [0, 0];
  const name = culprit !== undefined && isAlias(culprit) ? culprit.source : '';
  return {
    code: 'CONFIG_YAML',
    message: isUnresolved
      ? `alias *${name} has no anchor &${name} before it`
      : error instanceof ReferenceError
        ? `aliases expand to more than ${ALIASES_MAX} copies`
        : 'aliases cannot be resolved',
    hint: isUnresolved ? undefined : 'write the values out',
    position: at(start, end ?? start),
  };
}

function locate(root: Node | null, path: Path, part: 'key' | 'value', at: At, index: KeyIndex): Position {
  let node: unknown = root;
  let found: Node | undefined = isNode(root) ? root : undefined;
  for (const [depth, step] of path.entries()) {
    const isLast = depth === path.length - 1;
    if (isMap(node)) {
      const pair = index.pairOf(node, String(step));
      if (pair === undefined) break;
      const key = isNode(pair.key) ? pair.key : undefined;
      const value = isNode(pair.value) ? pair.value : undefined;
      // An empty value has no place of its own, and a whole block is pointed at by its key.
      const isBlock = value === undefined || ((isMap(value) || isSeq(value)) && value.flow !== true);
      found = (isLast && part === 'key') || isBlock || isEmpty(value) ? key : value;
      node = value;
    } else if (isSeq(node)) {
      const item = node.items[Number(step)];
      if (!isNode(item)) break;
      found = item;
      node = item;
    } else break;
  }
  // What belongs to the whole file is pointed at by its first character.
  const [start, end] = found?.range ?? [0, 1];
  return at(start, found === root && !isScalar(found) ? start + 1 : end);
}

/** Places in a scalar's text as places in the file: quotes, escapes, line breaks and indents of YAML are stepped over. */
function atPart(text: string, { start, end }: TextSpan, at: At): At {
  return (from, to) => {
    const source = text.slice(from, to);
    const value = scalarText(source);
    if (value === undefined) return at(from, to);
    let place = 0;
    const places: number[] = [];
    for (const letter of value) {
      const found = source.indexOf(letter === '\n' ? '\n' : letter, place);
      if (found < 0) return at(from, to);
      for (let unit = 0; unit < letter.length; unit++) places.push(found + unit);
      place = found + letter.length;
    }
    const first = places[start] ?? place;
    const last = places[end - 1] ?? first;
    return at(from + first, from + Math.max(first, last) + 1);
  };
}

/** What a scalar says; undefined where this text alone is not one. */
function scalarText(source: string): string | undefined {
  const { contents } = parseDocument(source);
  return isScalar(contents) ? String(contents.value) : undefined;
}

function isEmpty(node: Node): boolean {
  return node.range !== undefined && node.range !== null && node.range[0] === node.range[1];
}
