import { readFileSync, statSync } from 'node:fs';
import { dirname, relative, resolve } from 'node:path';
import { SqlParser } from '../expressions/sql-parser.ts';
import { EXIT, OperatingError, systemErrorCode } from '../lib/errors.ts';
import { formatSize } from '../lib/units.ts';
import type { Config } from './config.ts';
import type { ConfigComponents } from './definitions.ts';
import { CONFIG_BYTES_MAX, type ConfigDocument, parseConfigDocument } from './document.ts';
import { type Environment, applyEnvironment, replaceReferences, withScalars } from './environment.ts';
import { ConfigError, type Problem } from './problem.ts';
import { isRightAt, resolveConfig } from './resolve.ts';
import { maskSecrets } from './secrets.ts';
import { type ConfigUse, tlsFileProblems } from './tls-files.ts';

export type { ConfigUse };

/** What is looked for when no file is named. */
export const DEFAULT_CONFIG_FILE = 'tailrace.yaml';

export interface LoadedConfig {
  readonly config: Config;
  /** Things to tell the user that stop nothing. */
  readonly warnings: readonly string[];
}

/** Reads, checks and resolves a configuration file. Throws a ConfigError with every problem, or an OperatingError with exit code 3. */
export async function loadConfig(
  path: string,
  environment: Environment,
  components: ConfigComponents,
  use?: ConfigUse,
): Promise<LoadedConfig> {
  return resolveText(readConfigFile(path), path, environment, components, use);
}

/** The same for a text that is not in a file of its own: `path` names it in messages. */
export async function resolveText(
  text: string,
  path: string,
  environment: Environment,
  components: ConfigComponents,
  use: ConfigUse = 'part',
): Promise<LoadedConfig> {
  const parser = new SqlParser();
  // Reading SQL is asynchronous, and one expression may stand behind another: each round reads what the one before it has asked for.
  for (;;) {
    const outcome = attempt(() => resolveTextNow(text, path, environment, components, use, parser));
    if (await parser.read()) continue;
    if ('error' in outcome) throw outcome.error;
    return outcome.value;
  }
}

function attempt<Value>(work: () => Value): { readonly value: Value } | { readonly error: unknown } {
  try {
    return { value: work() };
  } catch (error) {
    return { error };
  }
}

/** The same at once, with the expressions that `parser` has read; those that it has not are missing in the result. */
export function resolveTextNow(
  text: string,
  path: string,
  environment: Environment,
  components: ConfigComponents,
  use: ConfigUse,
  parser: SqlParser,
): LoadedConfig {
  const shown = shownPath(path);
  const document = parseConfigDocument(text);
  const shownText = maskSecrets(text, document.secrets);
  if (document.problems.length > 0) throw new ConfigError(shown, shownText, document.problems);
  const folder = dirname(resolve(path));
  const overridden = applyEnvironment(document.value, environment);
  const typed = withScalars(overridden.value, overridden.scalars, (raw, at) => isRightAt(raw, at, components));
  const replaced = replaceReferences(typed, { environment, folder }, document);
  const context = { file: resolve(path), folder, document, components, parser };
  const { config, problems } = resolveConfig(replaced.value, context);
  // A reference that cannot be read is the error, not the text that stands in its place.
  const rest = problems.filter(({ position }) => !replaced.problems.some((reference) => isIn(position, reference)));
  const files = tlsFileProblems(replaced.value, folder, document, use);
  const all = [...overridden.problems, ...replaced.problems, ...rest, ...files];
  if (config === undefined || all.length > 0) {
    throw new ConfigError(
      shown,
      shownText,
      inOrder(
        all.map((problem) => withOrigin(withReferences(problem, replaced.replaced), overridden.origins, document)),
      ),
    );
  }
  return { config, warnings: overridden.warnings };
}

/** Also a part of it: an expression is pointed at where it is wrong. */
function isIn(part: Problem['position'], { position: whole }: Problem): boolean {
  if (part === undefined || whole === undefined || part.line !== whole.line) return false;
  return part.column >= whole.column && part.column <= whole.column + whole.length;
}

/** Shorter ones are found in words that have nothing to do with them. */
const SECRET_CHARACTERS_MIN = 4;

/** What came from the environment or a file may be a secret, wherever it stands: the reference is shown in its place. */
function withReferences(problem: Problem, replaced: ReadonlyMap<string, string>): Problem {
  let { message } = problem;
  for (const [secret, reference] of replaced) {
    if (secret.length >= SECRET_CHARACTERS_MIN) message = message.replaceAll(secret, () => reference);
  }
  return { ...problem, message };
}

/** A value that came from the environment is not to be found in the file: the problem names its variable instead. */
function withOrigin(problem: Problem, origins: ReadonlyMap<string, string>, document: ConfigDocument): Problem {
  for (const [path, variable] of origins) {
    const position = document.valueAt(path.split(/[.[\]]+/).filter((step) => step !== ''));
    if (!problem.message.startsWith(path) || position.line !== problem.position?.line) continue;
    return { ...problem, message: `${problem.message} (from ${variable})`, position: undefined };
  }
  return problem;
}

function inOrder(problems: readonly Problem[]): Problem[] {
  const place = ({ position }: Problem): number =>
    position === undefined ? 0 : position.line * 10_000 + position.column;
  return problems.toSorted((left, right) => place(left) - place(right));
}

function readConfigFile(path: string): string {
  const shown = shownPath(path);
  const refuse = (what: string, hint?: string): never => {
    const options = { code: 'CONFIG_FILE', exitCode: EXIT.config };
    throw new OperatingError(`${shown} ${what}`, hint === undefined ? options : { ...options, hint });
  };
  try {
    const stats = statSync(path);
    if (stats.isDirectory())
      refuse('is a folder', `name a file, such as ${shown.replace(/\/+$/, '')}/${DEFAULT_CONFIG_FILE}`);
    if (!stats.isFile()) refuse('is not a regular file', 'a configuration is a YAML file');
    if (stats.size > CONFIG_BYTES_MAX)
      refuse(`has ${formatSize(stats.size)}`, `a configuration has at most ${formatSize(CONFIG_BYTES_MAX)}`);
    const bytes = readFileSync(path);
    if (bytes.includes(0)) refuse('is not a text file', 'a configuration is a YAML file');
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (error) {
    const code = systemErrorCode(error);
    if (code === 'ELOOP') refuse('cannot be read: its symbolic links lead in a circle', 'mend the link');
    if (code === 'ENOENT')
      refuse('does not exist', 'name a configuration with -c, or log files: tailrace run access.log');
    if (code === 'EACCES' || code === 'EPERM') refuse('cannot be read: permission denied', `see ls -l ${shown}`);
    if (code === 'ERR_ENCODING_INVALID_ENCODED_DATA') refuse('is not UTF-8', 'save it as UTF-8');
    if (error instanceof Error && 'syscall' in error) refuse(`cannot be read: ${code}`, 'see the system error');
    throw error;
  }
}

/** Paths below the working directory are shown as the user would type them. */
export function shownPath(path: string): string {
  // A topic's partition: no path of this machine.
  if (path.includes('://')) return path;
  const below = relative(process.cwd(), path);
  return below === '' || below.startsWith('..') ? path : below;
}
