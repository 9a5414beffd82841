import type { z } from 'zod';
import type { ConfigDocument, Path } from './document.ts';
import { nearest, suggestion } from './nearest.ts';
import { isSecretKey } from './secrets.ts';
import { UNBUILT_KEYS, UNBUILT_TYPES } from './not-built.ts';
import type { Problem } from './problem.ts';

type Issue = z.core.$ZodIssue;

/** What the schema objects to, as problems with their place in the file. */
export function problemsOfIssues(
  issues: readonly Issue[],
  schema: z.ZodType,
  value: unknown,
  document: Pick<ConfigDocument, 'valueAt' | 'keyAt'>,
): Problem[] {
  const all = issues.flatMap(fromBranch);
  const misspelt = misspeltKeys(all, schema, value);
  return all.flatMap((issue) => {
    const path = issue.path.filter((step): step is string | number => typeof step !== 'symbol');
    if (issue.code === 'unrecognized_keys') {
      const known = keysAt(schema, path, value);
      return issue.keys.map((key) => ({
        ...unknownKey(key, path, known),
        position: document.keyAt([...path, key]),
      }));
    }
    const found = valueAt(value, path);
    if (found === undefined && misspelt.has(dotted(path))) return [];
    if (found === undefined) return [{ ...missingKey(issue, path), position: document.keyAt(path.slice(0, -1)) }];
    const isKey = issue.code === 'invalid_key';
    return [{ ...wrongValue(issue, path, found), position: isKey ? document.keyAt(path) : document.valueAt(path) }];
  });
}

/** A map that may stand in place of a plain value: what is wrong in it is wrong there, not with the whole. */
function fromBranch(issue: Issue): Issue[] {
  if (issue.code !== 'invalid_union' || 'discriminator' in issue) return [issue];
  const isInside = ({ code, path }: Issue): boolean => path.length > 0 || code === 'unrecognized_keys';
  const branch = issue.errors.find((inner) => inner.length > 0 && inner.every(isInside));
  return (branch ?? [issue]).map((inner) =>
    inner === issue ? issue : { ...inner, path: [...issue.path, ...inner.path] },
  );
}

/** Paths of keys that are there under a name like theirs: the wrong name is the one error. */
function misspeltKeys(issues: readonly Issue[], schema: z.ZodType, value: unknown): ReadonlySet<string> {
  const paths = issues.flatMap((issue) => {
    if (issue.code !== 'unrecognized_keys') return [];
    const path = issue.path.filter((step): step is string | number => typeof step !== 'symbol');
    const known = keysAt(schema, path, value);
    return issue.keys.flatMap((key) => {
      const meant = nearest(key, known);
      return meant === undefined ? [] : [dotted([...path, meant])];
    });
  });
  return new Set(paths);
}

function unknownKey(key: string, path: Path, known: readonly string[]): Problem {
  const unbuilt = UNBUILT_KEYS[patternOf(path, Object.keys(UNBUILT_KEYS))] ?? [];
  if (unbuilt.includes(key)) {
    return { code: 'CONFIG_NOT_BUILT', message: `"${key}"${inSection(path)} is not built yet`, hint: 'remove it' };
  }
  const hint = key === '<<' ? 'merge keys are not read: write the values out' : suggestion(key, known);
  return { code: 'CONFIG_UNKNOWN_KEY', message: `unknown key "${key}"${inSection(path)}`, hint };
}

function missingKey(issue: Issue, path: Path): Problem {
  const key = String(path.at(-1) ?? '');
  const hint =
    issue.code === 'invalid_union'
      ? `one of: ${typesOf(issue).join(', ')}`
      : plain(issue.message).replace(/^expects/, 'it is');
  return { code: 'CONFIG_MISSING_KEY', message: `"${key}" is missing${inSection(path.slice(0, -1))}`, hint };
}

function wrongValue(issue: Issue, path: Path, given: unknown): Problem {
  const isSecret = given !== null && path.some((step) => typeof step === 'string' && isSecretKey(step));
  const found = isSecret ? HIDDEN_SECRET : given;
  const name = path.length === 0 ? 'the file' : dotted(path);
  // Other unions than those by `type` say themselves what they expect.
  if (issue.code === 'invalid_union' && 'discriminator' in issue) return unknownType(issue, path, found);
  if (issue.code === 'invalid_key') {
    return {
      code: 'CONFIG_VALUE',
      message: `the name "${String(path.at(-1))}" cannot be used`,
      hint: issue.issues[0]?.message,
    };
  }
  if (found === null) {
    return { code: 'CONFIG_WRONG_TYPE', message: `${name} is empty`, hint: plain(issue.message) };
  }
  if (issue.code === 'invalid_type') {
    return {
      code: 'CONFIG_WRONG_TYPE',
      message: `${name} is ${kindOf(found)}`,
      hint: numberHint(found, issue.message) ?? plain(issue.message),
    };
  }
  if (issue.code === 'invalid_value') {
    return { code: 'CONFIG_VALUE', message: `${name} is ${show(found)}`, hint: plain(issue.message) };
  }
  return { code: 'CONFIG_VALUE', message: `${name} is ${show(found)}`, hint: plain(issue.message) };
}

/** A discriminated union whose `type` is missing, unknown, or known but not built. */
function unknownType(issue: Issue, path: Path, found: unknown): Problem {
  const section = path.at(-1) === 'type' ? path.slice(0, -1) : path;
  const types = typesOf(issue);
  if (typeof found !== 'string') {
    return {
      code: 'CONFIG_WRONG_TYPE',
      message: `${dotted(path)} is ${kindOf(found)}`,
      hint: `one of: ${types.join(', ')}`,
    };
  }
  const unbuilt = UNBUILT_TYPES[patternOf(section, Object.keys(UNBUILT_TYPES))] ?? [];
  if (unbuilt.includes(found)) {
    return {
      code: 'CONFIG_NOT_BUILT',
      message: `${dotted(section)} of type ${found} is not built yet`,
      hint: `there ${types.length === 1 ? 'is' : 'are'} ${types.join(', ')}`,
    };
  }
  return {
    code: 'CONFIG_UNKNOWN_TYPE',
    message: `${dotted(section)} has no type "${found}"`,
    hint: suggestion(found, types),
  };
}

function typesOf(issue: Issue): string[] {
  return 'options' in issue && Array.isArray(issue.options) ? issue.options.map(String) : [];
}

/** Zod's own words where no section has better ones. */
function plain(message: string): string {
  return message
    .replace(/^Invalid input: expected (record|object)\b.*/, 'expects a map of keys')
    .replace(/^Invalid input: expected array\b.*/, 'expects a list')
    .replace(/^Invalid input: expected string\b.*/, 'expects text')
    .replace(/^Invalid input: expected (\w+)\b.*/, 'expects a $1')
    .replace(/^Invalid input: expected /, 'expects ')
    .replace(/^Invalid option: expected one of /, 'one of: ')
    .replace(/^Too small: expected array to have >=1 items/, 'must not be empty')
    .replace(/^Too small: expected string to have >=1 characters/, 'must not be empty');
}

/** A bare number where a duration or a size belongs: show the number with a unit. */
function numberHint(found: unknown, message: string): string | undefined {
  if (typeof found !== 'number') return undefined;
  if (message.includes('a duration')) return `expects a duration with its unit: did you mean ${found}s?`;
  if (message.includes('a size')) return `expects a size with its unit: did you mean ${found}MiB?`;
  return undefined;
}

/** Stands for a value that must not be shown. */
const HIDDEN_SECRET = Symbol('a secret');

function kindOf(value: unknown): string {
  if (value === HIDDEN_SECRET) return 'not what it should be';
  if (Array.isArray(value)) return 'a list';
  if (value === null) return 'empty';
  if (typeof value === 'object') return 'a map';
  return `${typeof value === 'string' ? 'the text' : `the ${typeof value}`} ${show(value)}`;
}

function show(value: unknown): string {
  if (value === HIDDEN_SECRET) return 'not what it should be';
  const json = JSON.stringify(value) ?? String(value);
  return json.length <= 60 ? json : `${json.slice(0, 57)}…`;
}

export function dotted(path: Path): string {
  return path.map((step, i) => (typeof step === 'number' ? `[${step}]` : i === 0 ? step : `.${step}`)).join('');
}

function inSection(path: Path): string {
  return path.length === 0 ? '' : ` in ${dotted(path)}`;
}

/** The entry of `patterns` a path falls under: `streams.access` falls under `streams.*`. */
function patternOf(path: Path, patterns: readonly string[]): string {
  const fits = (pattern: string): boolean => {
    const steps = pattern.split('.');
    return steps.length === path.length && steps.every((step, i) => step === '*' || step === path[i]);
  };
  return path.length === 0 ? '' : (patterns.find((pattern) => pattern !== '' && fits(pattern)) ?? '-');
}

function valueAt(value: unknown, path: Path): unknown {
  let found = value;
  for (const step of path) {
    if (typeof found !== 'object' || found === null || !Object.hasOwn(found, step)) return undefined;
    found = (found as Record<string | number, unknown>)[step];
  }
  return found;
}

/** The keys an object of the schema may have at a path, following the discriminator through unions. */
function keysAt(schema: z.ZodType, path: Path, value: unknown): string[] {
  let current = unwrap(schema, value);
  let found = value;
  for (const step of path) {
    found = valueAt(found, [step]);
    const def = current._zod.def as SchemaDef;
    const next = def.shape?.[String(step)] ?? def.valueType ?? def.element;
    if (next === undefined) return [];
    current = unwrap(next, found);
  }
  return Object.keys((current._zod.def as SchemaDef).shape ?? {});
}

/** The few parts of zod's definitions that matter here. */
interface SchemaDef {
  readonly shape?: Record<string, z.ZodType>;
  readonly valueType?: z.ZodType;
  readonly element?: z.ZodType;
  readonly innerType?: z.ZodType;
  readonly in?: z.ZodType;
  readonly options?: readonly z.ZodType[];
  readonly discriminator?: string;
}

function unwrap(schema: z.ZodType, value: unknown): z.ZodType {
  const def = schema._zod.def as SchemaDef;
  if (def.innerType !== undefined) return unwrap(def.innerType, value);
  if (def.in !== undefined) return unwrap(def.in, value);
  if (def.options === undefined) return schema;
  if (def.discriminator === undefined) {
    const branches = def.options.map((option) => unwrap(option, value));
    return branches.find((branch) => (branch._zod.def as SchemaDef).shape !== undefined) ?? schema;
  }
  const wanted = valueAt(value, [def.discriminator]);
  const fits = def.options.find((option) => {
    const field = (option._zod.def as SchemaDef).shape?.[def.discriminator!];
    return field?.safeParse(wanted).success === true;
  });
  return fits ?? schema;
}
