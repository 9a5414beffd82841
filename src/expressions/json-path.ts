import { cutText } from '../lib/text.ts';
import type { Json } from './json-text.ts';

/** A key; a place in an array, from the end below 0; or what a pointer has, which is either. */
type Step = { readonly key: string } | { readonly at: number } | { readonly pointer: string };

export type JsonPath = readonly Step[];
export interface PathProblem {
  readonly message: string;
  readonly hint: string;
}

const HINT = `write '$.name', '$.list[0]', '$."a name".b', or 'name' for a key at the top`;

/** `$.a.b[0]`, `/a/b/0`, or a key. */
export function jsonPathOf(path: string): JsonPath | PathProblem {
  if (path.startsWith('/')) return pointerOf(path);
  if (path.startsWith('$')) return pathOf(path);
  if (path === '*') return refused('a path to several values');
  return path === '' ? [] : [{ key: path }];
}

export function stepAt(place: bigint): Step {
  return { at: Number(place) };
}

function refused(what: string): PathProblem {
  return { message: `expressions do not have ${what}`, hint: HINT };
}

function pointerOf(path: string): JsonPath | PathProblem {
  if (/~(?![01])/.test(path))
    return { message: 'a ~ in a pointer must be followed by 0 or 1', hint: 'write ~0 for ~, ~1 for /' };
  const steps = path.slice(1).split('/');
  return steps.map((step) => ({ pointer: step.replaceAll('~1', '/').replaceAll('~0', '~') }));
}

const STEPS =
  /\.(?:"(?<quoted>(?:[^"\\]|\\["\\])+)"|(?<key>[^."[\\*][^.[\\]*))|\[(?:#?(?<back>-0*[1-9]\d{0,8})|(?<at>\d{1,9}))\]/y;

function pathOf(path: string): JsonPath | PathProblem {
  if (/^\$(?:.*[^\\])?(?:\.\.|\.\*|\[\*\])/s.test(path.replaceAll(/"(?:[^"\\]|\\.)*"/gs, '""')))
    return refused('a path to several values');
  const steps: Step[] = [];
  let at = 1;
  while (at < path.length) {
    STEPS.lastIndex = at;
    const match = STEPS.exec(path);
    if (match === null)
      return { message: `the path ${cutText(path)} goes wrong at ${cutText(path.slice(at))}`, hint: HINT };
    const { quoted, key, back, at: place } = match.groups!;
    if (quoted !== undefined) steps.push({ key: quoted.replaceAll(/\\(["\\])/g, '$1') });
    else steps.push(key === undefined ? { at: Number(back ?? place) } : { key });
    at += match[0].length;
  }
  return steps;
}

/** What stands there; undefined where nothing does. */
export function valueAt(json: Json, path: JsonPath): Json | undefined {
  let value: Json | undefined = json;
  for (const step of path) {
    if (value.kind === 'object') value = memberOf(value, step);
    else if (value.kind === 'array') value = itemOf(value, step);
    else return undefined;
    if (value === undefined) return undefined;
  }
  return value;
}

function memberOf({ entries }: Json & { kind: 'object' }, step: Step): Json | undefined {
  const key = 'key' in step ? step.key : 'pointer' in step ? step.pointer : undefined;
  return entries.find(([name]) => name === key)?.[1];
}

function itemOf({ items }: Json & { kind: 'array' }, step: Step): Json | undefined {
  if ('at' in step) return items.at(step.at);
  return 'pointer' in step && /^(?:0|[1-9]\d*)$/.test(step.pointer) ? items[Number(step.pointer)] : undefined;
}
