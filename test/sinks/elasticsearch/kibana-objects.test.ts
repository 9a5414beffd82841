import { expect, test } from '@jest/globals';
import { readFileSync } from 'node:fs';
import { COMPONENTS } from '../../../src/components.ts';
import { combined } from '../../../src/codecs/combined.ts';
import type { SavedObject } from '../../../src/sinks/elasticsearch/kibana-lens.ts';
import { kibanaObjects, toNdjson } from '../../../src/sinks/elasticsearch/kibana-objects.ts';
import { templatesOf } from '../../../src/sinks/elasticsearch/templates.ts';
import { TRAFFIC, pipelineOf } from '../../support/epochs.ts';

const FILE = 'dashboards/kibana/tailrace.ndjson';
const OBJECTS = readFileSync(FILE, 'utf8')
  .trim()
  .split('\n')
  .map((line) => JSON.parse(line) as SavedObject);
const named = ({ type, id }: { type: string; id: string }): string => `${type} ${id}`;

type Tree = Readonly<Record<string, unknown>>;

/** The fields that a template maps, by the index pattern it is for. */
const MAPPED = new Map(
  templatesOf({
    prefix: 'tailrace',
    shards: 1,
    replicas: 0,
    pipeline: pipelineOf({ traffic: TRAFFIC, visits: { ...TRAFFIC, window: { type: 'session', gapMs: 60_000 } } }),
    documents: { access: combined.fields({}) },
    rollups: ['traffic', 'visits'],
    aggregates: COMPONENTS.aggregates,
  }).map(({ body }) => [body.index_patterns[0]!, leaves(body.template.mappings.properties)]),
);

function leaves(properties: Tree, path = ''): string[] {
  return Object.entries(properties).flatMap(([name, mapping]) => {
    const inner = (mapping as { properties?: Tree }).properties;
    return inner === undefined ? [`${path}${name}`] : leaves(inner, `${path}${name}.`);
  });
}

/** The fields there are behind a data view. */
function fieldsBehind(dataView: string): readonly string[] {
  const pattern = {
    'tailrace-documents': 'tailrace-access-*',
    'tailrace-rollups': 'tailrace-rollup-traffic',
    'tailrace-sessions': 'tailrace-rollup-visits',
  }[dataView];
  return MAPPED.get(pattern ?? 'tailrace-dead-letters-*')!;
}

/** Every value of a key, anywhere; texts that hold JSON are opened. */
function valuesOf(value: unknown, key: string): unknown[] {
  if (typeof value === 'string') return /^[[{]/.test(value) ? valuesOf(JSON.parse(value), key) : [];
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([name, inner]) => [...(name === key ? [inner] : []), ...valuesOf(inner, key)]);
}

test('the file is what is provisioned, with an id for each', () => {
  expect(toNdjson(kibanaObjects('tailrace'))).toBe(readFileSync(FILE, 'utf8'));
  expect(new Set(OBJECTS.map(named)).size).toBe(OBJECTS.length);
  expect(kibanaObjects('other').map(named)).toEqual(OBJECTS.map(named));
});

test('every reference is to an object that comes before, and every name of one is used', () => {
  const before = new Set<string>();
  for (const object of OBJECTS) {
    for (const reference of object.references) expect([...before]).toContain(named(reference));
    const text = JSON.stringify(object.attributes);
    for (const { name } of object.references) {
      const [, panel] = /^\d+:(panel_\d+)$/.exec(name) ?? [];
      const [, layer] = /^indexpattern-datasource-layer-(\w+)$/.exec(name) ?? [];
      expect(text).toContain(panel ?? layer ?? name);
    }
    before.add(named(object));
  }
});

test.each(
  OBJECTS.filter(({ type }) => type === 'lens' || type === 'search').map((object) => [named(object), object] as const),
)('%s names fields that are there', (_name, { attributes, references }) => {
  const known = [...fieldsBehind(references[0]!.id), '___records___'];
  const columns = attributes['columns'] as readonly string[] | undefined;
  const used = [...valuesOf(attributes, 'sourceField'), ...(columns ?? [])] as readonly string[];
  expect(used.length).toBeGreaterThan(0);
  expect(used.filter((field) => !known.includes(field))).toEqual([]);
  const queries = valuesOf(attributes, 'query').filter((query) => typeof query === 'string' && query !== '');
  const inQueries = queries.flatMap((query) =>
    [...String(query).matchAll(/([\w.]+)\s*(?::|>=)/g)].map(([, field]) => field!),
  );
  expect(inQueries.filter((field) => !known.includes(field))).toEqual([]);
});

test.each(OBJECTS.filter(({ type }) => type === 'lens').map((object) => [named(object), object] as const))(
  '%s shows columns that it has, and orders by one of them',
  (_name, { attributes }) => {
    const [order] = valuesOf(attributes, 'columnOrder') as readonly (readonly string[])[];
    const { visualization } = attributes['state'] as { readonly visualization: Tree };
    const accessors = [
      ...['xAccessor', 'splitAccessor', 'metricAccessor', 'columnId'].flatMap((key) => valuesOf(visualization, key)),
      ...valuesOf(visualization, 'accessors').flat(),
    ];
    expect(new Set(accessors)).toEqual(new Set(order));
    for (const column of valuesOf(attributes, 'orderBy').flatMap((by) => valuesOf(by, 'columnId'))) {
      expect(order).toContain(column);
    }
    expect(valuesOf(visualization, 'layerId').every((layer) => layer === 'layer')).toBe(true);
  },
);

test('the panels of the dashboard lie beside each other, within its 48 columns', () => {
  const { attributes, references } = OBJECTS.find(({ type }) => type === 'dashboard')!;
  const panels = JSON.parse(attributes['panelsJSON'] as string) as readonly {
    readonly gridData: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
    readonly panelRefName: string;
    readonly panelIndex: string;
  }[];
  expect(panels.map(({ panelIndex, panelRefName }) => `${panelIndex}:${panelRefName}`)).toEqual(
    references.map(({ name }) => name),
  );
  const taken = new Set<string>();
  for (const { gridData: at } of panels) {
    expect(at.x + at.w).toBeLessThanOrEqual(48);
    for (let x = at.x; x < at.x + at.w; x++) {
      for (let y = at.y; y < at.y + at.h; y++) {
        expect(taken.has(`${x} ${y}`)).toBe(false);
        taken.add(`${x} ${y}`);
      }
    }
  }
});
