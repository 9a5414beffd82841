import { execFileSync, spawnSync } from 'node:child_process';
import { globSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { parse } from 'yaml';
import { METRICS, type MetricDefinition, NAMES_OF_OTHERS } from '../../src/metrics/catalogue.ts';
import { MetricSet } from '../../src/metrics/metric-set.ts';
import { describeWith } from '../support/stack/require-stack.ts';

const DEFINITIONS = Object.values<MetricDefinition>(METRICS);
/** As they are served: a histogram has three names. */
const NAMES = new Set(
  DEFINITIONS.flatMap(({ name, type }) =>
    type === 'histogram' ? ['_bucket', '_sum', '_count'].map((part) => `${name}${part}`) : [name],
  ),
);

interface Rule {
  readonly record?: string;
  readonly alert?: string;
  readonly expr: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
}

const RULES_FILE = 'alerts/tailrace.rules.yml';
const RULES = (parse(readFileSync(RULES_FILE, 'utf8')) as { groups: { rules: Rule[] }[] }).groups.flatMap(
  ({ rules }) => rules,
);
const RECORDED = new Set(RULES.flatMap(({ record }) => record ?? []));
/** Prometheus makes these by itself. */
const OF_PROMETHEUS = new Set(['up', 'ALERTS']);

interface Panel {
  readonly title: string;
  readonly description?: string;
  readonly targets?: readonly { readonly expr: string }[];
}
interface Dashboard {
  readonly uid: string;
  readonly schemaVersion: number;
  readonly panels: readonly Panel[];
  readonly templating: { readonly list: readonly { readonly name: string; readonly definition?: string }[] };
  readonly annotations: { readonly list: readonly { readonly expr?: string }[] };
}
const BOARDS = globSync('dashboards/grafana/*.json').map((path) => ({
  path,
  board: JSON.parse(readFileSync(path, 'utf8')) as Dashboard,
}));

function expressionsOf({ panels, templating, annotations }: Dashboard): string[] {
  return [
    ...panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr)),
    ...templating.list.flatMap(({ definition }) => definition ?? []),
    ...annotations.list.flatMap(({ expr }) => expr ?? []),
  ];
}

/** Names in a query that stand where a metric stands: before a selector, a range, an operator, or the end. */
function metricsIn(expression: string): string[] {
  const plain = expression
    .replaceAll(/"(?:[^"\\]|\\.)*"/g, '""')
    .replaceAll(/\{[^}]*\}/g, '{}')
    .replaceAll(/\b(?:by|on|without|ignoring|group_left|group_right)\s*\([^)]*\)/g, '')
    .replaceAll(/\[[^\]]*\]/g, '')
    .replaceAll(/label_values\(([^,]+),[^)]*\)/g, '$1');
  return [...plain.matchAll(/[a-zA-Z_:][\w:]*/g)]
    .filter(({ index, 0: name }) => !/^\s*\(/.test(plain.slice(index + name.length)))
    .map(([name]) => name)
    .filter((name) => !['and', 'or', 'unless', 'bool', 'by', 'on'].includes(name));
}

/** Replaces what Grafana fills in, so that Prometheus' own parser can read it. */
function asPromql(expression: string): string {
  return expression.replaceAll('$__rate_interval', '1m').replaceAll('$group', '.*');
}

function isBalanced(expression: string): boolean {
  const open: string[] = [];
  for (const character of expression.replaceAll(/"(?:[^"\\]|\\.)*"/g, '')) {
    if ('([{'.includes(character)) open.push(character);
    else if (')]}'.includes(character) && open.pop() !== '([{'[')]}'.indexOf(character)]) return false;
  }
  return open.length === 0;
}

describe('the catalogue', () => {
  test('says everything once, as Prometheus wants it said', () => {
    expect(new Set(DEFINITIONS.map(({ name }) => name)).size).toBe(DEFINITIONS.length);
    for (const { name, type, help, labels, unit } of DEFINITIONS) {
      expect(name).toMatch(/^(tailrace|kafka|process)_[a-z_]+$/);
      expect(name.endsWith('_total')).toBe(type === 'counter');
      if (unit === 'seconds' || unit.startsWith('seconds ')) expect(name).toMatch(/_seconds(_total)?$/);
      if (unit === 'bytes') expect(name).toMatch(/_bytes(_total)?$/);
      expect(help.length).toBeGreaterThan(10);
      expect(new Set(labels).size).toBe(labels.length);
    }
  });

  test('a counter is set to the whole count, and a family that is emptied leaves nothing behind', async () => {
    const set = new MetricSet();
    const labels = { pipeline: 'web', stream: 'access', partition: 0 };
    set.set(METRICS.checkpoints, labels, 7);
    set.set(METRICS.checkpoints, labels, 9);
    set.set(METRICS.exporterUp, {}, 1);
    set.set(METRICS.lagLines, { group: 'a\n"b\\', topic: 't', partition: 1 }, 3);
    const text = await set.text();
    expect(text).toContain('tailrace_checkpoints_total{pipeline="web",stream="access",partition="0"} 9\n');
    expect(text).toContain('tailrace_lag_lines{group="a\\n\\"b\\\\",topic="t",partition="1"} 3\n');
    set.empty([METRICS.checkpoints, METRICS.exporterUp, METRICS.lagLines]);
    expect((await set.text()).split('\n').filter((line) => line !== '' && !line.startsWith('#'))).toEqual([]);
  });
});

describe('the alerts', () => {
  test.each(RULES.map((rule) => [rule.record ?? rule.alert ?? '', rule] as const))('%s', (_name, rule) => {
    const names = metricsIn(rule.expr);
    expect(names.length).toBeGreaterThan(0);
    expect(names.filter((name) => !NAMES.has(name) && !OF_PROMETHEUS.has(name))).toEqual([]);
    expect(isBalanced(rule.expr)).toBe(true);
    if (rule.alert === undefined) return;
    expect(rule.labels?.['severity']).toMatch(/^(critical|warning|info)$/);
    for (const key of ['summary', 'description', 'runbook_url']) expect(rule.annotations?.[key]).toBeTruthy();
  });

  test('each has its section of the runbook, and its test', () => {
    const runbook = readFileSync('docs/runbook.md', 'utf8');
    const anchors = [...runbook.matchAll(/^## (.+)$/gm)].map(([, title = '']) =>
      title
        .toLowerCase()
        .replaceAll(/[^\w\- ]/g, '')
        .replaceAll(' ', '-'),
    );
    const tests = readFileSync('alerts/tailrace.test.yml', 'utf8');
    for (const { alert, annotations } of RULES) {
      if (alert === undefined) continue;
      expect(runbook).toContain(`\`${alert}\``);
      expect(anchors.map((anchor) => `docs/runbook.md#${anchor}`)).toContain(annotations?.['runbook_url']);
      expect(tests).toMatch(new RegExp(`alertname: ${alert}\\n +exp_alerts:\\n`));
    }
  });
});

describe.each(BOARDS)('$path', ({ path, board }) => {
  const expressions = expressionsOf(board);

  test('asks for what there is', () => {
    expect(expressions.length).toBeGreaterThan(5);
    for (const expression of expressions) {
      const names = metricsIn(expression);
      expect(names.length).toBeGreaterThan(0);
      expect(names.filter((name) => !NAMES.has(name) && !RECORDED.has(name) && !OF_PROMETHEUS.has(name))).toEqual([]);
      expect(isBalanced(expression)).toBe(true);
    }
  });

  test('has the form that Grafana loads, a fixed uid, and says what each panel shows', () => {
    expect(board.uid).toBe(`tailrace-${basename(path, '.json')}`);
    expect(board.schemaVersion).toBe(42);
    expect(board.templating.list.map(({ name }) => name)).toContain('datasource');
    for (const { description = '' } of board.panels) expect(description.length).toBeGreaterThan(20);
  });
});

test('the check of queries sees what is wrong', () => {
  expect(metricsIn('sum by (group) (rate(no_such_total{a="b c"}[5m])) > 3')).toEqual(['no_such_total']);
  expect(metricsIn('label_values(no_such, group)')).toEqual(['no_such']);
  expect(metricsIn('max(a_b) and on (x) c_d{e=~"f"}')).toEqual(['a_b', 'c_d']);
  expect([isBalanced('a(b[c{d}])'), isBalanced('a(b'), isBalanced('a(b]'), isBalanced('a("(")')]).toEqual([
    true,
    false,
    false,
    true,
  ]);
});

describeWith('promtool', 'amtool')("Prometheus' and Alertmanager's own checks", () => {
  const check = (program: string, ...args: string[]): string => execFileSync(program, args, { encoding: 'utf8' });

  test('of the rules, and of their tests', () => {
    expect(check('promtool', 'check', 'rules', RULES_FILE)).toContain('SUCCESS');
    expect(check('promtool', 'test', 'rules', 'alerts/tailrace.test.yml')).toContain('SUCCESS');
  });

  test('of the configurations', () => {
    expect(check('promtool', 'check', 'config', 'alerts/prometheus.yml')).toContain('SUCCESS');
    expect(check('amtool', 'check-config', 'alerts/alertmanager.yml')).toContain('SUCCESS');
  });

  test('of every query of a dashboard', () => {
    const expressions = BOARDS.flatMap(({ board }) => board.panels.flatMap(({ targets = [] }) => targets));
    const rules = expressions.map(({ expr }, i) => ({ record: `panel:query:${i}`, expr: asPromql(expr) }));
    const file = join(mkdtempSync(join(tmpdir(), 'tailrace-panels-')), 'panels.json');
    writeFileSync(file, JSON.stringify({ groups: [{ name: 'panels', rules }] }));
    const checked = spawnSync('promtool', ['check', 'rules', file], { encoding: 'utf8' });
    rmSync(dirname(file), { recursive: true });
    expect(checked.stderr).toBe('');
    expect(checked.stdout).toContain(`${rules.length} rules found`);
  });

  test('of what is exported, but for the name that others gave', async () => {
    const set = new MetricSet();
    for (const metric of DEFINITIONS) {
      const labels = Object.fromEntries(metric.labels.map((label) => [label, 'x']));
      if (metric.type === 'histogram') set.observe(metric, labels, 1);
      else set.set(metric, labels, 1);
    }
    const input = await set.text();
    const lint = spawnSync('promtool', ['check', 'metrics'], { input, encoding: 'utf8' });
    expect(lint.stderr.split('\n').filter((line) => line !== '')).toEqual(
      NAMES_OF_OTHERS.map((name) => `${name} non-histogram and non-summary metrics should not have "_sum" suffix`),
    );
  });
});
