// The house rules which the linter cannot say, or which must not be switched off by a comment. Each check takes the files
// and returns what is wrong with them, so that `test/tidy.test.ts` can show each of them a bad sample.
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { posix } from 'node:path';

/** A file of the project: path from the top with `/`, and its text (`''` for a binary file). */
export interface ProjectFile {
  readonly path: string;
  readonly text: string;
}

/** Each answer is one line, `path:line: what to do`. */
export type Check = (files: readonly ProjectFile[]) => string[];

const MAX_FILE_LINES = 400;

const SHARED = ['lib', 'record', 'metrics', 'codecs', 'expressions', 'transforms', 'aggregates', 'epoch', 'broker'];
const STAGES = ['agent', 'operators', 'engine', 'sinks', 'query', 'monitor', 'supervisor'];

/** Which folders and files of src one may import, itself aside. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  lib: [],
  record: ['lib'],
  metrics: ['lib'],
  codecs: SHARED,
  expressions: SHARED,
  transforms: SHARED,
  aggregates: SHARED,
  epoch: SHARED,
  broker: SHARED,
  agent: SHARED,
  operators: SHARED,
  engine: [...SHARED, 'operators'],
  sinks: SHARED,
  query: SHARED,
  monitor: SHARED,
  supervisor: SHARED,
  config: [...SHARED, ...STAGES],
  roles: [...SHARED, ...STAGES, 'config'],
  cli: [...SHARED, ...STAGES, 'config', 'roles'],
  'components.ts': [...SHARED, ...STAGES, 'config', 'roles'],
  'main.ts': ['cli', 'components.ts'],
};

const BANNED_CALLS = [
  { call: /\bDate\.now\b/, use: 'a Clock as a parameter (src/lib/clock.ts)' },
  { call: /\bnew Date\(\s*\)/, use: 'a Clock as a parameter (src/lib/clock.ts)' },
  { call: /\bperformance\.now\b/, use: 'a Clock as a parameter (src/lib/clock.ts)' },
  { call: /\bMath\.random\b/, use: 'a random source as a parameter, seeded in tests' },
];

const LEFTOVER = new RegExp(`\\b(${['FIX' + 'ME', 'TO' + 'DO', 'HA' + 'CK'].join('|')})\\b`);
const MACHINE_PATH = /(?<![\w.:/*}-])\/(?:work|root|home)\/\w/;
const KEBAB_CASE = /^\.?[a-z0-9]+(-[a-z0-9]+)*(\.[a-z0-9]+(-[a-z0-9]+)*)*$/;
const CAPITALS = /^[A-Z]+(-[A-Z]+)*(\.md)?$|^Makefile$|^Dockerfile$/;
const EMPTY_WORDS = ['util', 'utils', 'helper', 'helpers', 'manager', 'managers', 'common', 'misc'];
/** `common` is also the name of a log format. */
const NAMES_OF_THE_FIELD = ['src/codecs/common.ts', 'test/codecs/common.test.ts'];

const TEST_FOLDERS_OF_THEIR_OWN = ['contract', 'system', 'property', 'bench', 'fixtures', 'support'];
const COMPONENT_FOLDER =
  /^src\/(codecs|transforms|aggregates|operators|agent\/sources|sinks\/[^/]+|roles\/(sources|sinks))\//;
const PORTS = [
  'src/codecs/codec.ts',
  'src/transforms/transform.ts',
  'src/aggregates/aggregate.ts',
  'src/operators/operator.ts',
];
const DEFINITION = /^export const \w+(: \w+Definition\b| = define[A-Z]\w*\()/m;

/** Everything git knows or would add; without git, everything that is not made or downloaded. */
export function projectFiles(): ProjectFile[] {
  return projectPaths()
    .filter((path) => existsSync(path))
    .map((path) => {
      const bytes = readFileSync(path);
      return { path, text: bytes.includes(0) ? '' : bytes.toString('utf8') };
    });
}

function projectPaths(): string[] {
  try {
    const listed = execFileSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    return [...new Set(listed.split('\0').filter((path) => path !== ''))].sort();
  } catch {
    const made = ['.git', 'node_modules', 'dist', 'coverage', 'tailrace-data', 'stack-data', 'secrets'];
    const walk = (folder: string): string[] =>
      readdirSync(folder, { withFileTypes: true })
        .filter(({ name }) => !made.includes(name))
        .flatMap((entry) => {
          const path = posix.join(folder, entry.name);
          return entry.isDirectory() ? walk(path) : [path];
        });
    return walk('.').sort();
  }
}

const isSource = ({ path }: ProjectFile): boolean => /^src\/.*\.tsx?$/.test(path);
const isTest = ({ path }: ProjectFile): boolean => /^test\/.*\.tsx?$/.test(path);
const isFixture = ({ path }: ProjectFile): boolean => path.startsWith('test/fixtures/');
/** Texts that are not ours to word. */
const isForeign = ({ path }: ProjectFile): boolean => path === 'package-lock.json' || path === 'LICENSE';

function problemsByLine(file: ProjectFile, judge: (line: string) => string | undefined): string[] {
  return file.text.split('\n').flatMap((line, index) => {
    const problem = judge(line);
    return problem === undefined ? [] : [`${file.path}:${index + 1}: ${problem}`];
  });
}

/** Relative modules a file names: imports, `import()`, and `new URL('./worker.js', import.meta.url)`; as source paths. */
function importsOf(file: ProjectFile): string[] {
  const named = /(?:\bfrom|\bimport|\bimport\(|\bnew URL\()\s*['"](\.[^'"]+)['"]/g;
  return [...file.text.matchAll(named)].map(([, specifier = '']) =>
    posix.join(posix.dirname(file.path), specifier).replace(/\.js$/, '.ts'),
  );
}

/** First name below src: a folder, or a file at its top. */
const roomOf = (path: string): string => path.split('/')[1] ?? '';

export const importRules: Check = (files) =>
  files.filter(isSource).flatMap((file) => {
    const room = roomOf(file.path);
    const allowed = MAY_IMPORT[room];
    if (allowed === undefined) return [`${file.path}:1: say in test/support/tidy.ts what src/${room} may import`];
    return importsOf(file)
      .filter((path) => path.startsWith('src/'))
      .map(roomOf)
      .filter((other) => other !== room && !allowed.includes(other))
      .map((other) => `${file.path}:1: src/${room} must not import src/${other}`);
  });

export const fileLengths: Check = (files) =>
  files
    .filter((file) => isSource(file) || isTest(file))
    .map((file) => ({ path: file.path, lines: file.text.replace(/\n$/, '').split('\n').length }))
    .filter(({ lines }) => lines > MAX_FILE_LINES)
    .map(({ path, lines }) => `${path}:${lines}: more than ${MAX_FILE_LINES} lines, split it`);

export const bannedCalls: Check = (files) =>
  files
    .filter((file) => isSource(file) && file.path !== 'src/lib/clock.ts')
    .flatMap((file) =>
      problemsByLine(file, (line) => {
        const code = line.replace(/(^|\s)\/\/.*|^\s*\/?\*.*/, '');
        const banned = BANNED_CALLS.find(({ call }) => call.test(code));
        return banned && `use ${banned.use}`;
      }),
    );

export const leftovers: Check = (files) =>
  files
    .filter((file) => !isFixture(file) && !isForeign(file))
    .flatMap((file) =>
      problemsByLine(file, (line) => (LEFTOVER.test(line) ? 'finish it or make it an issue' : undefined)),
    );

export const machinePaths: Check = (files) =>
  files
    .filter((file) => !isFixture(file) && !isForeign(file))
    .flatMap((file) => problemsByLine(file, (line) => (MACHINE_PATH.test(line) ? 'a path of one machine' : undefined)));

export const names: Check = (files) =>
  files
    .filter((file) => !isFixture(file) && !NAMES_OF_THE_FIELD.includes(file.path))
    .flatMap(({ path }) => {
      const parts = path.split('/');
      const odd = parts.find((part) => !KEBAB_CASE.test(part) && !CAPITALS.test(part));
      if (odd !== undefined) return [`${path}:1: '${odd}' is not kebab-case`];
      const empty = parts.flatMap((part) => part.split(/[-.]/)).find((word) => EMPTY_WORDS.includes(word));
      return empty === undefined ? [] : [`${path}:1: '${empty}' says nothing, name what it does`];
    });

const isDocument = ({ path }: ProjectFile): boolean => path.endsWith('.md');
const withoutCode = (text: string): string =>
  text.replace(/^(```|~~~)[^]*?^\1/gm, (block) => block.replace(/[^\n]/g, '')).replace(/`[^`\n]*`/g, '');

export const documentTitles: Check = (files) =>
  files
    .filter((file) => isDocument(file) && file.path.startsWith('docs/'))
    .map(({ path, text }) => ({ path, titles: withoutCode(text).match(/^# \S/gm)?.length ?? 0 }))
    .filter(({ titles }) => titles !== 1)
    .map(({ path, titles }) => `${path}:1: ${titles} titles ('# …'), must be one`);

export const documentLinks: Check = (files) => {
  const known = new Set(files.flatMap(({ path }) => [path, ...foldersOf(path)]));
  return files.filter(isDocument).flatMap((file) =>
    problemsByLine({ ...file, text: withoutCode(file.text) }, (line) => {
      const targets = [...line.matchAll(/\]\(<?([^)\s>]+)/g)].map(([, target = '']) => target.replace(/#.*/, ''));
      const broken = targets
        .filter((target) => target !== '' && !/^[a-z]+:/.test(target))
        .find((target) => !known.has(posix.join(posix.dirname(file.path), target).replace(/\/$/, '')));
      return broken && `link to '${broken}', which is not there`;
    }),
  );
};

function foldersOf(path: string): string[] {
  const folder = posix.dirname(path);
  return folder === '.' ? ['.'] : [folder, ...foldersOf(folder)];
}

/** Looks only once components.ts ties the program together. */
export const reachable: Check = (files) => {
  const sources = new Map(files.filter(isSource).map((file) => [file.path, file]));
  if (!sources.has('src/components.ts')) return [];
  const reached = new Set<string>();
  const visit = (path: string): void => {
    const file = sources.get(path);
    if (file === undefined || reached.has(path)) return;
    reached.add(path);
    importsOf(file).forEach(visit);
  };
  visit('src/main.ts');
  return [...sources.keys()]
    .filter((path) => !reached.has(path) && !path.endsWith('.d.ts'))
    .map((path) => `${path}:1: nothing on the way from src/main.ts imports it`);
};

/** A component is listed in components.ts; another file beside components must serve somebody. */
export const listedComponents: Check = (files) => {
  const list = files.find(({ path }) => path === 'src/components.ts');
  if (list === undefined) return [];
  const listed = importsOf(list);
  const candidates = files.filter((file) => isSource(file) && COMPONENT_FOLDER.test(file.path));
  const used = files.filter(isSource).flatMap(importsOf);
  return candidates
    .filter(({ path }) => !PORTS.includes(path) && !listed.includes(path))
    .filter(({ path, text }) => DEFINITION.test(text) || !used.includes(path))
    .map(({ path }) => `${path}:1: list it in src/components.ts`);
};

/** What a component is called, in the file that defines it. */
const CALLED = /^ {2}(?:type|name): '([a-z_]+)'|= extreme\('([a-z]+)'/m;

/** What is true of one kind of component stands in its definition: nobody else asks for its name. The log is no component, and has kinds, too. */
export const componentNames: Check = (files) => {
  const called = files
    .filter((file) => isSource(file) && COMPONENT_FOLDER.test(file.path) && DEFINITION.test(file.text))
    .flatMap(({ text }) => CALLED.exec(text)?.slice(1) ?? [])
    .filter((name) => name !== undefined);
  const names = `'(${called.join('|')})'`;
  const asked = new RegExp(
    `(?<!\\bbroker\\.)\\b(?:\\w*[tT]ype|\\w+\\.kind|codec|transform|aggregate|operator|source|sink|name)\\s*[!=]==\\s*${names}|${names}\\s*[!=]==|\\bcase\\s+${names}:|\\['type'\\]\\s*[!=]==\\s*${names}|\\[${names}[^\\]]*\\]\\.includes\\(\\w*[tT]ype`,
  );
  return files.filter(isSource).flatMap((file) =>
    problemsByLine(file, (line) => {
      const name =
        called.length === 0
          ? undefined
          : asked
              .exec(line)
              ?.slice(1)
              .find((one) => one !== undefined);
      const isItsOwn = file.path.split('/').some((part) => new RegExp(`^${name}[-.]|^${name}$`).test(part));
      return name === undefined || isItsOwn ? undefined : `say what is true of '${name}' in its definition`;
    }),
  );
};

/** `test/a/b.test.ts` and `test/a/b.int.test.ts` test `src/a/b.ts`, or the folder `src/a/b`. */
export const mirroredTests: Check = (files) => {
  const known = new Set(files.filter(isSource).flatMap(({ path }) => [path, ...foldersOf(path)]));
  return files
    .filter((file) => isTest(file) && file.path.includes('.test.') && file.path.split('/').length > 2)
    .filter(({ path }) => !TEST_FOLDERS_OF_THEIR_OWN.includes(path.split('/')[1] ?? ''))
    .map(({ path }) => ({ path, subject: path.replace(/^test\//, 'src/').replace(/\.[^/]*$/, '') }))
    .filter(({ subject }) => ![subject, `${subject}.ts`, `${subject}.tsx`].some((path) => known.has(path)))
    .map(({ path, subject }) => `${path}:1: tests no ${subject}.ts`);
};

const REGISTRY = 'https://registry.npmjs.org/';

interface LockEntry {
  readonly version?: string;
  readonly resolved?: string;
  readonly integrity?: string;
  readonly link?: boolean;
}

/** A package of a platform that nobody here has is fetched by somebody, too, who must get what is meant. */
export const lockedPackages: Check = (files) =>
  files
    .filter(({ path }) => path === 'package-lock.json')
    .flatMap(({ path, text }) => {
      const { packages } = JSON.parse(text) as { readonly packages: Readonly<Record<string, LockEntry>> };
      return Object.entries(packages)
        .filter(([name, { link }]) => name !== '' && link !== true)
        .flatMap(([name, { integrity = '', resolved = REGISTRY }]) => [
          ...(integrity.startsWith('sha512-') ? [] : [`${path}:1: ${name} has no hash: node scripts/complete-lock.ts`]),
          ...(resolved.startsWith(REGISTRY) ? [] : [`${path}:1: ${name} comes from another place than the registry`]),
        ]);
    });

export const CHECKS: Readonly<Record<string, Check>> = {
  importRules,
  fileLengths,
  bannedCalls,
  leftovers,
  machinePaths,
  names,
  documentTitles,
  documentLinks,
  reachable,
  listedComponents,
  componentNames,
  mirroredTests,
  lockedPackages,
};
