import {
  LineCounter,
  type Node,
  type YAMLError,
  isAlias,
  isMap,
  isNode,
  isPair,
  isScalar,
  isSeq,
  parseDocument,
  visit,
} from 'yaml';
import type { Position, Problem } from './problem.ts';

/** A configuration is written by hand; what is longer is no configuration. */
export const CONFIG_BYTES_MAX = 1024 * 1024;

/** Aliases of a hand-written file are few; a bomb has thousands once expanded. */
const ALIASES_MAX = 100;

export type Path = readonly (string | number)[];

/** A parsed YAML file: the plain values, and for each path where it stands. */
export interface ConfigDocument {
  /** Undefined when the text is no YAML: then `problems` says why. */
  readonly value: unknown;
  readonly problems: readonly Problem[];
  /** Where the value of a path stands; of the nearest parent's key, when the path is not in the file. */
  valueAt(path: Path): Position;
  /** Where the last key of a path stands. */
  keyAt(path: Path): Position;
}

export function parseConfigDocument(text: string): ConfigDocument {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, version: '1.2' });
  const at = (start: number, end: number): Position => toPosition(text, lines, start, end);
  const problems = [...document.errors, ...document.warnings].map((error) => yamlProblem(error, at));
  let value: unknown;
  if (problems.length === 0) {
    try {
      value = document.toJS({ maxAliasCount: ALIASES_MAX });
    } catch (error) {
      problems.push(aliasProblem(document.contents, error, at));
    }
  }
  const root = document.contents;
  return {
    value,
    problems,
    valueAt: (path) => locate(root, path, 'value', at),
    keyAt: (path) => locate(root, path, 'key', at),
  };
}

type At = (start: number, end: number) => Position;

function toPosition(text: string, lines: LineCounter, start: number, end: number): Position {
  const { line, col } = lines.linePos(start);
  const lineEnd = text.indexOf('\n', start);
  const stop = Math.min(end, lineEnd === -1 ? text.length : lineEnd);
  return { line: Math.max(1, line), column: Math.max(1, col), length: Math.max(1, stop - start) };
}

function yamlProblem(error: YAMLError, at: At): Problem {
  const position = at(error.pos[0], error.pos[1]);
  if (error.code === 'DUPLICATE_KEY') {
    return { code: 'CONFIG_DUPLICATE_KEY', message: 'a key stands twice in one map', hint: 'remove one', position };
  }
  if (error.code === 'MULTIPLE_DOCS') {
    return { code: 'CONFIG_YAML', message: 'the file holds several YAML documents', hint: 'keep one', position };
  }
  const message = error.message.replace(/\s+/g, ' ').replace(/[.:\s]+$/, '');
  return { code: 'CONFIG_YAML', message: `not valid YAML: ${message}`, position };
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

function locate(root: Node | null, path: Path, part: 'key' | 'value', at: At): Position {
  let node: unknown = root;
  let found: Node | undefined = isNode(root) ? root : undefined;
  for (const [depth, step] of path.entries()) {
    const isLast = depth === path.length - 1;
    if (isMap(node)) {
      const pair = node.items.find(
        (item) => isPair(item) && isScalar(item.key) && String(item.key.value) === String(step),
      );
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

function isEmpty(node: Node): boolean {
  return node.range !== undefined && node.range !== null && node.range[0] === node.range[1];
}
