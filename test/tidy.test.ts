import { describe, expect, test } from '@jest/globals';
import type { ProjectFile } from './support/tidy.ts';
import { CHECKS, projectFiles } from './support/tidy.ts';

const file = (path: string, text = ''): ProjectFile => ({ path, text });

/** For each check a sample it must refuse, what it says of it, and a near miss it must let pass. */
const SAMPLES: Record<string, { bad: ProjectFile[]; says: string[]; good: ProjectFile[] }> = {
  importRules: {
    bad: [
      file('src/lib/clock.ts', `import { x } from '../record/block.ts';`),
      file('src/record/block.ts', `import type { Codec } from '../codecs/codec.ts';`),
      file('src/codecs/json.ts', `import {\n  a,\n  b,\n} from '../engine/task.ts';`),
      file('src/operators/session.ts', `const sink = await import('../sinks/sink.ts');`),
      file('src/sinks/duckdb/duckdb.ts', `export * from '../../config/schema.ts';`),
      file('src/agent/agent.ts', `import { components } from '../components.ts';`),
      file('src/config/load.ts', `import { openLog } from '../roles/role.ts';`),
      file('src/roles/engine.ts', `import { say } from '../cli/output.ts';\nimport { b } from '../components.ts';`),
      file('src/config/schema.ts', `import { COMPONENTS } from '../components.ts';`),
      file('src/warehouse/table.ts', ``),
    ],
    says: [
      'src/lib/clock.ts:1: src/lib must not import src/record',
      'src/record/block.ts:1: src/record must not import src/codecs',
      'src/codecs/json.ts:1: src/codecs must not import src/engine',
      'src/operators/session.ts:1: src/operators must not import src/sinks',
      'src/sinks/duckdb/duckdb.ts:1: src/sinks must not import src/config',
      'src/agent/agent.ts:1: src/agent must not import src/components.ts',
      'src/config/load.ts:1: src/config must not import src/roles',
      'src/roles/engine.ts:1: src/roles must not import src/cli',
      'src/roles/engine.ts:1: src/roles must not import src/components.ts',
      'src/config/schema.ts:1: src/config must not import src/components.ts',
      'src/warehouse/table.ts:1: say in test/support/tidy.ts what src/warehouse may import',
    ],
    good: [
      file(
        'src/engine/task.ts',
        `import { a } from '../operators/operator.ts';\nimport { b } from '../lib/assert.ts';`,
      ),
      file('src/codecs/json.ts', `import { a } from '../broker/broker.ts';\nimport { z } from 'zod';`),
      file('src/cli/run.ts', `import { a } from '../roles/supervise.ts';\nimport { b } from '../sinks/sink.ts';`),
      file('src/roles/engine.ts', `import { a } from '../engine/engine.ts';`),
      file('src/components.ts', `import { a } from './sinks/duckdb/duckdb.ts';`),
    ],
  },
  fileLengths: {
    bad: [file('src/lib/long.ts', 'x\n'.repeat(401)), file('test/lib/long.test.ts', 'x\n'.repeat(500))],
    says: [
      'src/lib/long.ts:401: more than 400 lines, split it',
      'test/lib/long.test.ts:500: more than 400 lines, split it',
    ],
    good: [file('src/lib/long.ts', 'x\n'.repeat(400)), file('docs/long.md', 'x\n'.repeat(1000))],
  },
  bannedCalls: {
    bad: [
      file('src/engine/task.ts', 'const a = 1;\nconst now = Date.now();\nconst date = new Date( );'),
      file('src/agent/agent.ts', 'const jitterMs = Math.random() * 10;\nconst t = performance.now();'),
    ],
    says: [
      'src/engine/task.ts:2: use a Clock as a parameter (src/lib/clock.ts)',
      'src/engine/task.ts:3: use a Clock as a parameter (src/lib/clock.ts)',
      'src/agent/agent.ts:1: use a random source as a parameter, seeded in tests',
      'src/agent/agent.ts:2: use a Clock as a parameter (src/lib/clock.ts)',
    ],
    good: [
      file('src/lib/clock.ts', 'const now = Date.now();'),
      file(
        'src/engine/task.ts',
        '// never Date.now()\n/** nor Math.random() */\n * nor that: Date.now()\nnew Date(ms);',
      ),
    ],
  },
  leftovers: {
    bad: [file('src/lib/a.ts', `// ${'TO' + 'DO'}: later`), file('docs/a.md', `# A\n\n${'FIX' + 'ME'}`)],
    says: ['src/lib/a.ts:1: finish it or make it an issue', 'docs/a.md:3: finish it or make it an issue'],
    good: [file('src/lib/a.ts', '// toDo, method'), file('test/fixtures/a.log', 'TO' + 'DO')],
  },
  machinePaths: {
    bad: [
      file('docs/a.md', `see ${'/wo' + 'rk/main'}`),
      file('src/lib/a.ts', `open('${'/ro' + 'ot/x'}')`),
      file('Makefile', `A=${'/ho' + 'me/me'}`),
    ],
    says: [
      'docs/a.md:1: a path of one machine',
      'src/lib/a.ts:1: a path of one machine',
      'Makefile:1: a path of one machine',
    ],
    good: [file('docs/a.md', 'https://example.org/home/page, ./work/x and src/root/y')],
  },
  names: {
    bad: [
      file('src/lib/faultPoint.ts'),
      file('src/Engine/task.ts'),
      file('src/lib/string-utils.ts'),
      file('src/helpers/text.ts'),
      file('test/support/file-manager.ts'),
    ],
    says: [
      `src/lib/faultPoint.ts:1: 'faultPoint.ts' is not kebab-case`,
      `src/Engine/task.ts:1: 'Engine' is not kebab-case`,
      `src/lib/string-utils.ts:1: 'utils' says nothing, name what it does`,
      `src/helpers/text.ts:1: 'helpers' says nothing, name what it does`,
      `test/support/file-manager.ts:1: 'manager' says nothing, name what it does`,
    ],
    good: [
      file('src/lib/fault-point.ts'),
      file('test/broker/kafka.int.test.ts'),
      file('README.md'),
      file('.oxlintrc.json'),
      file('docs/decisions/0001-toolchain.md'),
      file('src/codecs/common.ts'),
      file('test/fixtures/apache_access.log'),
    ],
  },
  documentTitles: {
    bad: [file('docs/none.md', 'text\n## A part'), file('docs/two.md', '# One\n\n# Two')],
    says: [`docs/none.md:1: 0 titles ('# …'), must be one`, `docs/two.md:1: 2 titles ('# …'), must be one`],
    good: [file('docs/one.md', '# One\n\n```sh\n# a comment\n```\n\n## A part')],
  },
  documentLinks: {
    bad: [
      file('docs/a.md', '# A\n\nSee [the design](design.md) and [this](../README.md).'),
      file('README.md', '[here](docs/a.md), [there](docs/gone/)'),
    ],
    says: [
      `docs/a.md:3: link to 'design.md', which is not there`,
      `README.md:1: link to 'docs/gone/', which is not there`,
    ],
    good: [
      file('docs/a.md', '[b](b.md#part) [up](../README.md) [web](https://example.org/x) [part](#part)\n`[x](y)`'),
      file('docs/b.md', '```md\n[x](nowhere.md)\n```'),
      file('README.md', '[docs](docs/) [docs](docs) [mail](mailto:a@example.org)'),
    ],
  },
  reachable: {
    bad: [
      file('src/main.ts', `await import('./cli/run.ts');`),
      file('src/cli/run.ts', `import '../components.ts';`),
      file('src/components.ts'),
      file('src/engine/lost.ts', `import './lost-too.ts';`),
      file('src/engine/lost-too.ts'),
    ],
    says: [
      'src/engine/lost.ts:1: nothing on the way from src/main.ts imports it',
      'src/engine/lost-too.ts:1: nothing on the way from src/main.ts imports it',
    ],
    good: [
      file('src/main.ts', `import './components.ts';\nnew Worker(new URL('./worker.js', import.meta.url));`),
      file('src/components.ts', `export { a } from './a.ts';\nimport {\n  b,\n} from "./b.ts";`),
      file('src/a.ts'),
      file('src/b.ts'),
      file('src/worker.ts'),
    ],
  },
  listedComponents: {
    bad: [
      file('src/components.ts', `import { json } from './codecs/json.ts';`),
      file('src/codecs/codec.ts'),
      file('src/codecs/json.ts', `export const json: CodecDefinition = {};\nimport { csv } from './csv.ts';`),
      file('src/codecs/csv.ts', `export const csv: CodecDefinition = {};`),
      file('src/agent/sources/stdin.ts', `export const stdin = defineSource({});`),
      file('src/sinks/duckdb/lost.ts'),
    ],
    says: [
      'src/codecs/csv.ts:1: list it in src/components.ts',
      'src/agent/sources/stdin.ts:1: list it in src/components.ts',
      'src/sinks/duckdb/lost.ts:1: list it in src/components.ts',
    ],
    good: [
      file('src/components.ts', `import { duckdb } from './sinks/duckdb/duckdb.ts';`),
      file('src/sinks/sink.ts'),
      file('src/aggregates/aggregate.ts'),
      file('src/operators/operator.ts'),
      file('src/sinks/duckdb/duckdb.ts', `import { ddl } from './tables.ts';\nexport const duckdb = defineSink({});`),
      file('src/sinks/duckdb/tables.ts', `export const ddl = '';`),
    ],
  },
  componentNames: {
    bad: [
      file('src/roles/sinks/duckdb.ts', `export const duckdb: SinkDefinition = {\n  type: 'duckdb',\n};`),
      file('src/codecs/json.ts', `export const json: CodecDefinition = {\n  type: 'json',\n};`),
      file('src/roles/run.ts', `if (sink.type === 'duckdb') a();\nconst b = ['duckdb', 'x'].includes(type);`),
      file('src/config/load.ts', `if (codec !== 'json') a();\nif (entry['type'] === 'json') b();\n    case 'json':`),
    ],
    says: [
      "src/roles/run.ts:1: say what is true of 'duckdb' in its definition",
      "src/roles/run.ts:2: say what is true of 'duckdb' in its definition",
      "src/config/load.ts:1: say what is true of 'json' in its definition",
      "src/config/load.ts:2: say what is true of 'json' in its definition",
      "src/config/load.ts:3: say what is true of 'json' in its definition",
    ],
    good: [
      file(
        'src/roles/sinks/kafka.ts',
        `export const kafka: SourceDefinition = {\n  type: 'kafka',\n};\nof === 'kafka';`,
      ),
      file('src/sinks/kafka/rows.ts', `if (type === 'kafka') a();`),
      file('src/roles/run.ts', `if (broker.type === 'kafka') a();\nif (output === 'json') b();`),
    ],
  },
  mirroredTests: {
    bad: [file('src/lib/clock.ts'), file('test/lib/clocks.test.ts'), file('test/engine/task.int.test.ts')],
    says: [
      'test/lib/clocks.test.ts:1: tests no src/lib/clocks.ts',
      'test/engine/task.int.test.ts:1: tests no src/engine/task.ts',
    ],
    good: [
      file('src/lib/clock.ts'),
      file('src/broker/kafka/log.ts'),
      file('test/lib/clock.test.ts'),
      file('test/broker/kafka.int.test.ts'),
      file('test/system/restart.test.ts'),
      file('test/tidy.test.ts'),
      file('test/support/tidy.ts'),
    ],
  },
  lockedPackages: {
    bad: [
      file(
        'package-lock.json',
        JSON.stringify({
          packages: {
            '': { version: '1.0.0' },
            'node_modules/a': { version: '1.0.0', optional: true, os: ['darwin'] },
            'node_modules/b': { version: '1.0.0', integrity: 'sha1-00' },
            'node_modules/c': {
              version: '1.0.0',
              integrity: 'sha512-00',
              resolved: 'https://mirror.example.org/c.tgz',
            },
          },
        }),
      ),
    ],
    says: [
      'package-lock.json:1: node_modules/a has no hash: node scripts/complete-lock.ts',
      'package-lock.json:1: node_modules/b has no hash: node scripts/complete-lock.ts',
      'package-lock.json:1: node_modules/c comes from another place than the registry',
    ],
    good: [
      file(
        'package-lock.json',
        JSON.stringify({
          packages: {
            '': { version: '1.0.0' },
            'node_modules/a': { integrity: 'sha512-00', resolved: 'https://registry.npmjs.org/a/-/a-1.0.0.tgz' },
            'node_modules/b': { integrity: 'sha512-00' },
          },
        }),
      ),
    ],
  },
};

const FILES = projectFiles();

describe.each(Object.entries(CHECKS))('%s', (name, check) => {
  const sample = SAMPLES[name];

  test('refuses a bad sample', () => {
    expect(check(sample?.bad ?? [])).toEqual(sample?.says);
    expect(sample?.says).not.toHaveLength(0);
  });

  test('lets a good sample pass', () => {
    expect(check(sample?.good ?? [])).toEqual([]);
    expect(sample?.good).not.toHaveLength(0);
  });

  test('finds nothing in the project', () => {
    expect(check(FILES)).toEqual([]);
  });
});

test('the project is what the checks look at', () => {
  const paths = FILES.map(({ path }) => path);
  expect(paths).toContain('src/main.ts');
  expect(paths).toContain('test/tidy.test.ts');
  expect(paths.filter((path) => path.startsWith('node_modules/') || path.startsWith('dist/'))).toEqual([]);
});
