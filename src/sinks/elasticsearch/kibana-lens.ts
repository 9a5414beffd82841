/** A saved object of Kibana, as its export and import API have it: one a line. */
export interface SavedObject {
  readonly type: 'index-pattern' | 'search' | 'lens' | 'dashboard';
  readonly id: string;
  readonly attributes: Readonly<Record<string, unknown>>;
  readonly references: readonly SavedReference[];
  readonly coreMigrationVersion: string;
  /** The shape the attributes have: Kibana brings older ones up to date. */
  readonly typeMigrationVersion: string;
  readonly managed: false;
}

export interface SavedReference {
  readonly type: string;
  readonly id: string;
  readonly name: string;
}

/** Shapes of Kibana 8.9, which every later one takes. */
const SHAPES: Readonly<Record<SavedObject['type'], string>> = {
  'index-pattern': '8.0.0',
  search: '8.0.0',
  lens: '8.9.0',
  dashboard: '8.9.0',
};

export function savedObject(
  type: SavedObject['type'],
  id: string,
  attributes: SavedObject['attributes'],
  references: readonly SavedReference[] = [],
): SavedObject {
  const typeMigrationVersion = SHAPES[type];
  return { type, id, attributes, references, coreMigrationVersion: '8.8.0', typeMigrationVersion, managed: false };
}

/** One column of a chart: what Lens calls an operation. */
export type LensColumn = Readonly<Record<string, unknown>>;

export function overTime(): LensColumn {
  return {
    label: 'Time',
    customLabel: true,
    dataType: 'date',
    operationType: 'date_histogram',
    sourceField: '@timestamp',
    isBucketed: true,
    scale: 'interval',
    params: { interval: 'auto', includeEmptyRows: true, dropPartials: false },
  };
}

export function count(label: string, kql?: string): LensColumn {
  return {
    label,
    customLabel: true,
    dataType: 'number',
    operationType: 'count',
    sourceField: '___records___',
    isBucketed: false,
    scale: 'ratio',
    params: { emptyAsNull: true },
    ...(kql === undefined ? {} : { filter: { query: kql, language: 'kuery' } }),
  };
}

export function metric(
  operationType: 'sum' | 'average' | 'unique_count',
  sourceField: string,
  label: string,
): LensColumn {
  return {
    label,
    customLabel: true,
    dataType: 'number',
    operationType,
    sourceField,
    isBucketed: false,
    scale: 'ratio',
    params: { emptyAsNull: true },
  };
}

/** The most frequent values of a field, by the column `y`. */
export function top(sourceField: string, label: string, size: number, dataType = 'string'): LensColumn {
  return {
    label,
    customLabel: true,
    dataType,
    operationType: 'terms',
    sourceField,
    isBucketed: true,
    scale: 'ordinal',
    params: {
      size,
      orderBy: { type: 'column', columnId: 'y' },
      orderDirection: 'desc',
      otherBucket: false,
      missingBucket: false,
      parentFormat: { id: 'terms' },
      include: [],
      exclude: [],
      includeIsRegex: false,
      excludeIsRegex: false,
    },
  };
}

const LAYER = 'layer';

interface LensParts {
  readonly id: string;
  readonly title: string;
  readonly dataView: string;
  readonly kql?: string;
  /** In the order of the buckets, then the numbers. */
  readonly columns: Readonly<Record<string, LensColumn>>;
}

function lens(parts: LensParts, visualizationType: string, visualization: unknown): SavedObject {
  const { id, title, dataView, kql = '', columns } = parts;
  const layer = { columns, columnOrder: Object.keys(columns), incompleteColumns: {}, sampling: 1 };
  const attributes = {
    title,
    description: '',
    visualizationType,
    state: {
      datasourceStates: { formBased: { layers: { [LAYER]: layer } } },
      visualization,
      query: { query: kql, language: 'kuery' },
      filters: [],
      internalReferences: [],
      adHocDataViews: {},
    },
  };
  const reference = { type: 'index-pattern', id: dataView, name: `indexpattern-datasource-layer-${LAYER}` };
  return savedObject('lens', id, attributes, [reference]);
}

/** Columns `x`, `y`, and `by` where the series are split. */
export function chart(parts: LensParts & { readonly series: 'bar_stacked' | 'line' }): SavedObject {
  const { series, columns } = parts;
  const split = 'by' in columns ? { splitAccessor: 'by' } : {};
  return lens(parts, 'lnsXY', {
    legend: { isVisible: true, position: 'right' },
    valueLabels: 'hide',
    preferredSeriesType: series,
    layers: [
      {
        layerId: LAYER,
        layerType: 'data',
        seriesType: series,
        xAccessor: 'x',
        accessors: ['y'],
        position: 'top',
        ...split,
      },
    ],
  });
}

/** One number: column `y`. */
export function number(parts: LensParts): SavedObject {
  return lens(parts, 'lnsMetric', { layerId: LAYER, layerType: 'data', metricAccessor: 'y' });
}

export function table(parts: LensParts): SavedObject {
  const columns = Object.keys(parts.columns).map((columnId) => ({ columnId }));
  return lens(parts, 'lnsDatatable', { layerId: LAYER, layerType: 'data', columns });
}
