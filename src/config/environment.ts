import { readFileSync, statSync } from 'node:fs';
import { resolve } from 'node:path';
import { parseDocument } from 'yaml';
import { systemErrorCode } from '../lib/errors.ts';
import type { ConfigDocument, Path } from './document.ts';
import { dotted } from './issues.ts';
import { nearest } from './nearest.ts';
import type { Problem } from './problem.ts';

export type Environment = Readonly<Record<string, string | undefined>>;

/** A secret is a word or a key, not a document. */
const SECRET_BYTES_MAX = 64 * 1024;

/** Settings that may be given by environment although the file does not write them. Others must stand in the file. */
const FIXED_SETTINGS: readonly Path[] = [
  ['name'],
  ['data_dir'],
  ['broker', 'type'],
  ['broker', 'retain'],
  ['broker', 'disk_max'],
  ['broker', 'topic_prefix'],
  ['broker', 'single_broker'],
  ['agent', 'id'],
  ['engine', 'checkpoint', 'interval'],
  ['engine', 'checkpoint', 'min_pause'],
  ['engine', 'checkpoint', 'timeout'],
  ['engine', 'snapshot_after'],
];

/** Variables of the program that are not settings, and those Kubernetes makes for a service named tailrace. */
const NOT_SETTINGS = /^TAILRACE_(CONFIG|FAULT|FAULT_LOG|MUTANT|SOAK|PORT|SERVICE_.*|PORT_.*)$/;

/** `TAILRACE_` and the path in capitals, every other character an underscore: `engine.checkpoint.interval` is `TAILRACE_ENGINE_CHECKPOINT_INTERVAL`. */
function variableOf(path: Path): string {
  return `TAILRACE_${path
    .join('_')
    .replace(/[^A-Za-z0-9]/g, '_')
    .toUpperCase()}`;
}

export interface Overridden {
  readonly value: unknown;
  /** Path (dotted) → the variable its value came from. */
  readonly origins: ReadonlyMap<string, string>;
  /** What a setting would be that takes no text: a number, true or false. */
  readonly scalars: readonly { readonly path: Path; readonly value: unknown }[];
  readonly problems: readonly Problem[];
  readonly warnings: readonly string[];
}

/** Puts the variables of the environment over the scalars of the file, as text: a password may look like a number. */
export function applyEnvironment(value: unknown, environment: Environment): Overridden {
  const origins = new Map<string, string>();
  const problems: Problem[] = [];
  const scalars: { readonly path: Path; readonly value: unknown }[] = [];
  if (!isObject(value)) return { value, origins, scalars, problems, warnings: [] };
  const paths = new Map<string, Path[]>();
  const settings = [...scalarPaths(value), ...FIXED_SETTINGS];
  for (const path of settings) {
    const name = variableOf(path);
    const known = paths.get(name) ?? [];
    if (!known.some((other) => dotted(other) === dotted(path))) paths.set(name, [...known, path]);
  }
  let result: unknown = value;
  const warnings: string[] = [];
  for (const [name, given] of Object.entries(environment)) {
    if (given === undefined || !name.startsWith('TAILRACE_') || NOT_SETTINGS.test(name)) continue;
    const [path, other] = paths.get(name) ?? [];
    if (path === undefined) {
      const near = nearest(name, paths.keys());
      warnings.push(`${name} names no setting of this file${near === undefined ? '' : `: did you mean ${near}?`}`);
    } else if (other !== undefined) {
      problems.push({
        code: 'CONFIG_ENVIRONMENT',
        message: `${name} could mean ${dotted(path)} or ${dotted(other)}`,
        hint: 'rename one',
      });
    } else {
      result = withValue(result, path, given);
      const scalar = scalarOf(given);
      if (scalar !== given) scalars.push({ path, value: scalar });
      origins.set(dotted(path), name);
    }
  }
  return { value: result, origins, scalars, problems, warnings };
}

/** Settings that take no text get the number or truth value that their variable's text is. */
export function withScalars(
  value: unknown,
  scalars: Overridden['scalars'],
  isRight: (value: unknown, path: Path) => boolean,
): unknown {
  return scalars.reduce<unknown>(
    (result, { path, value: scalar }) => (isRight(result, path) ? result : withValue(result, path, scalar)),
    value,
  );
}

/** A variable's text as YAML would read it (`3`, `true`, `30s`); what is not a scalar stays text. */
function scalarOf(given: string): unknown {
  const document = parseDocument(given, { prettyErrors: false });
  if (document.errors.length > 0 || document.warnings.length > 0) return given;
  const value: unknown = document.toJS({ maxAliasCount: 0 });
  return typeof value === 'number' || typeof value === 'boolean' ? value : given;
}

function* scalarPaths(value: unknown, path: Path = []): Generator<Path> {
  if (Array.isArray(value)) {
    for (const [i, item] of value.entries()) yield* scalarPaths(item, [...path, i]);
  } else if (isObject(value)) {
    for (const [key, item] of Object.entries(value)) yield* scalarPaths(item, [...path, key]);
  } else yield path;
}

function withValue(target: unknown, path: Path, value: unknown): unknown {
  const [step, ...rest] = path;
  if (step === undefined) return value;
  if (Array.isArray(target))
    return target.map((item, i) => (i === step ? withValue(item, rest, value) : (item as unknown)));
  const object = isObject(target) ? target : {};
  return { ...object, [step]: withValue(object[step], rest, value) };
}

export interface SecretSources {
  readonly environment: Environment;
  /** Relative files are looked for here: the folder of the configuration. */
  readonly folder: string;
}

const REFERENCE = /\$(\$)?\{([^}]*)\}/g;

/** Replaces `${env:NAME}` and `${file:path}` in every text of the configuration; `$${` is a plain `${`. */
export function replaceReferences(
  value: unknown,
  sources: SecretSources,
  document: Pick<ConfigDocument, 'valueAt'>,
): {
  readonly value: unknown;
  readonly problems: readonly Problem[];
  /** What came from elsewhere → the reference that stands for it. */
  readonly replaced: ReadonlyMap<string, string>;
} {
  const problems: Problem[] = [];
  const replaced = new Map<string, string>();
  const replaceText = (text: string, path: Path): string =>
    text.replace(REFERENCE, (whole, escaped: string | undefined, reference: string) => {
      if (escaped !== undefined) return whole.slice(1);
      const answer = readReference(reference, sources);
      if (typeof answer === 'string') {
        replaced.set(answer, whole);
        return answer;
      }
      problems.push({ ...answer, position: document.valueAt(path) });
      return whole;
    });
  const walk = (node: unknown, path: Path): unknown => {
    if (typeof node === 'string') return node.includes('${') ? replaceText(node, path) : node;
    if (Array.isArray(node)) return node.map((item, i) => walk(item, [...path, i]));
    if (!isObject(node)) return node;
    return Object.fromEntries(Object.entries(node).map(([key, item]) => [key, walk(item, [...path, key])]));
  };
  return { value: walk(value, []), problems, replaced };
}

function readReference(reference: string, { environment, folder }: SecretSources): string | Problem {
  const [, kind, name] = /^(env|file):(.+)$/.exec(reference) ?? [];
  if (kind === undefined || name === undefined) {
    return {
      code: 'CONFIG_REFERENCE',
      message: `"\${${reference}}" is not a reference`,
      hint: 'write ${env:NAME} or ${file:path}, or $${ for a plain ${',
    };
  }
  if (kind === 'env') {
    const given = environment[name];
    if (given !== undefined) return given;
    return { code: 'CONFIG_REFERENCE', message: `the environment has no ${name}`, hint: `export ${name}=…` };
  }
  return readSecretFile(name, resolve(folder, name));
}

function readSecretFile(name: string, path: string): string | Problem {
  const code = 'CONFIG_REFERENCE';
  try {
    const stats = statSync(path);
    if (!stats.isFile()) return { code, message: `${name} is not a regular file`, hint: 'name a file with the secret' };
    if ((stats.mode & 0o077) !== 0)
      return { code, message: `${name} can be read by others`, hint: `chmod 600 ${name}` };
    if (stats.size > SECRET_BYTES_MAX)
      return { code, message: `${name} has ${stats.size} bytes`, hint: 'a secret has at most 64 KiB' };
    return readFileSync(path, 'utf8').replace(/\r?\n$/, '');
  } catch (error) {
    return {
      code,
      message: `${name} cannot be read: ${systemErrorCode(error) ?? String(error)}`,
      hint: 'paths begin at the folder of this file',
    };
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
