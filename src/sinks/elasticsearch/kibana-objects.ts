import { chart, count, metric, number, overTime, type SavedObject, savedObject, table, top } from './kibana-lens.ts';
import {
  DASHBOARD,
  DEAD_LETTERS_DATA_VIEW,
  DOCUMENTS_DATA_VIEW,
  ROLLUPS_DATA_VIEW,
  SESSIONS_DATA_VIEW,
} from './kibana-names.ts';

/**
 * Data views, saved searches and the dashboard, for indices of one prefix. `dashboards/kibana/tailrace.ndjson` is this for the default prefix,
 * for import by hand; `tailrace provision kibana` imports it through Kibana's API.
 */
export function kibanaObjects(prefix: string): SavedObject[] {
  const dataViews = [
    dataView(DOCUMENTS_DATA_VIEW, 'Tailrace: lines', `${prefix}-*,-${prefix}-rollup-*,-${prefix}-dead-letters-*`),
    dataView(ROLLUPS_DATA_VIEW, 'Tailrace: rollups', `${prefix}-rollup-*`),
    dataView(SESSIONS_DATA_VIEW, 'Tailrace: sessions', `${prefix}-rollup-*`, 'tailrace.window.first_event'),
    dataView(DEAD_LETTERS_DATA_VIEW, 'Tailrace: dead letters', `${prefix}-dead-letters-*`),
  ];
  const placed = panels();
  return [...dataViews, ...searches(), ...placed.map(({ object }) => object), dashboard(placed)];
}

/** One object a line, as Kibana exports them. */
export function toNdjson(objects: readonly SavedObject[]): string {
  return objects.map((object) => `${JSON.stringify(object)}\n`).join('');
}

/** Rows without its time field are not seen through a data view. */
function dataView(id: string, name: string, title: string, timeFieldName = '@timestamp'): SavedObject {
  const attributes = { title, name, timeFieldName, allowNoIndex: true };
  return savedObject('index-pattern', id, attributes);
}

function searches(): SavedObject[] {
  const access = [
    'source.ip',
    'http.request.method',
    'url.path',
    'http.response.status_code',
    'http.response.body.bytes',
  ];
  return [
    savedSearch('tailrace-all-lines', 'Tailrace: all lines', DOCUMENTS_DATA_VIEW, '', ['event.dataset', 'message']),
    savedSearch('tailrace-requests', 'Tailrace: requests', DOCUMENTS_DATA_VIEW, 'http.request.method: *', access),
    savedSearch(
      'tailrace-server-errors',
      'Tailrace: server errors',
      DOCUMENTS_DATA_VIEW,
      'http.response.status_code >= 500',
      access,
    ),
    savedSearch('tailrace-dead-letter-lines', 'Tailrace: dead letters', DEAD_LETTERS_DATA_VIEW, '', [
      'event.dataset',
      'tailrace.reason',
      'error.message',
      'message',
    ]),
    savedSearch(
      'tailrace-session-rows',
      'Tailrace: sessions',
      SESSIONS_DATA_VIEW,
      'not tailrace.status: superseded',
      [
        'tailrace.rollup',
        'tailrace.window.last_event',
        'tailrace.window.duration_ms',
        'tailrace.lines',
        'tailrace.status',
      ],
      'tailrace.window.first_event',
    ),
    savedSearch('tailrace-rollup-rows', 'Tailrace: rows of rollups', ROLLUPS_DATA_VIEW, '', [
      'tailrace.rollup',
      'tailrace.window.end',
      'tailrace.status',
      'tailrace.revision',
      'tailrace.lines',
    ]),
  ];
}

function savedSearch(
  id: string,
  title: string,
  view: string,
  kql: string,
  columns: readonly string[],
  timeField = '@timestamp',
): SavedObject {
  const name = 'kibanaSavedObjectMeta.searchSourceJSON.index';
  const source = { query: { query: kql, language: 'kuery' }, filter: [], indexRefName: name };
  const attributes = {
    title,
    description: '',
    columns,
    sort: [[timeField, 'desc']],
    grid: {},
    hideChart: false,
    isTextBasedQuery: false,
    kibanaSavedObjectMeta: { searchSourceJSON: JSON.stringify(source) },
  };
  return savedObject('search', id, attributes, [{ type: 'index-pattern', id: view, name }]);
}

interface Panel {
  readonly object: SavedObject;
  /** Columns of 48, and rows. */
  readonly at: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
}

const LINES = { dataView: DOCUMENTS_DATA_VIEW };
const REQUESTS = { ...LINES, kql: 'http.response.status_code: *' };
const ROLLUPS = { dataView: ROLLUPS_DATA_VIEW, kql: 'not tailrace.status: superseded' };
const DEAD_LETTERS = { dataView: DEAD_LETTERS_DATA_VIEW };
const SERVER_ERRORS = count('Server errors', 'http.response.status_code >= 500');

function panel(name: string, x: number, y: number, w: number, h: number, make: (id: string) => SavedObject): Panel {
  return { object: make(`tailrace-panel-${name}`), at: { x, y, w, h } };
}

function panels(): Panel[] {
  return [...numbers(), ...charts(), ...tables()];
}

function numbers(): Panel[] {
  const clients = metric('unique_count', 'source.ip', 'Clients');
  return [
    panel('lines', 0, 0, 12, 6, (id) => number({ ...LINES, id, title: 'Lines', columns: { y: count('Lines') } })),
    panel('errors', 12, 0, 12, 6, (id) =>
      number({ ...REQUESTS, id, title: 'Server errors', columns: { y: SERVER_ERRORS } }),
    ),
    panel('clients', 24, 0, 12, 6, (id) => number({ ...REQUESTS, id, title: 'Clients', columns: { y: clients } })),
    panel('dead-letters', 36, 0, 12, 6, (id) =>
      number({ ...DEAD_LETTERS, id, title: 'Dead letters', columns: { y: count('Dead letters') } }),
    ),
  ];
}

function charts(): Panel[] {
  const x = overTime();
  const bytes = { x, y: metric('sum', 'http.response.body.bytes', 'Bytes') };
  const status = { x, by: top('http.response.status_code', 'Status code', 10, 'number'), y: count('Responses') };
  const streams = { x, by: top('event.dataset', 'Stream', 10), y: count('Lines') };
  const rollups = { x, by: top('tailrace.rollup', 'Rollup', 10), y: metric('sum', 'tailrace.lines', 'Lines') };
  return [
    panel('lines-by-stream', 0, 6, 24, 12, (id) =>
      chart({ ...LINES, id, title: 'Lines by stream', series: 'bar_stacked', columns: streams }),
    ),
    panel('status', 24, 6, 24, 12, (id) =>
      chart({ ...REQUESTS, id, title: 'Responses by status code', series: 'bar_stacked', columns: status }),
    ),
    panel('bytes', 24, 18, 24, 14, (id) => chart({ ...REQUESTS, id, title: 'Bytes', series: 'line', columns: bytes })),
    panel('rollups', 0, 32, 24, 12, (id) =>
      chart({ ...ROLLUPS, id, title: 'Lines counted by rollups', series: 'line', columns: rollups }),
    ),
  ];
}

function tables(): Panel[] {
  const paths = {
    by: top('url.path', 'Path', 15),
    y: count('Requests'),
    errors: SERVER_ERRORS,
    bytes: metric('sum', 'http.response.body.bytes', 'Bytes'),
  };
  const reasons = {
    by: top('tailrace.reason', 'Reason', 10),
    stream: top('event.dataset', 'Stream', 10),
    y: count('Lines'),
  };
  return [
    panel('paths', 0, 18, 24, 14, (id) => table({ ...REQUESTS, id, title: 'Paths', columns: paths })),
    panel('reasons', 24, 32, 24, 12, (id) =>
      table({ ...DEAD_LETTERS, id, title: 'Dead letters by reason', columns: reasons }),
    ),
  ];
}

function dashboard(shown: readonly Panel[]): SavedObject {
  const placed = shown.map(({ object, at }, index) => {
    const i = String(index + 1);
    const json = {
      type: object.type,
      gridData: { ...at, i },
      panelIndex: i,
      embeddableConfig: {},
      panelRefName: `panel_${i}`,
    };
    return { json, reference: { type: object.type, id: object.id, name: `${i}:panel_${i}` } };
  });
  const attributes = {
    title: 'Tailrace: overview',
    description: 'Lines, responses, rollups and dead letters.',
    panelsJSON: JSON.stringify(placed.map(({ json }) => json)),
    optionsJSON: JSON.stringify({ useMargins: true, syncColors: true, syncCursor: true, hidePanelTitles: false }),
    timeRestore: true,
    timeFrom: 'now-1h',
    timeTo: 'now',
    refreshInterval: { pause: false, value: 10_000 },
    kibanaSavedObjectMeta: {
      searchSourceJSON: JSON.stringify({ query: { query: '', language: 'kuery' }, filter: [] }),
    },
  };
  return savedObject(
    'dashboard',
    DASHBOARD,
    attributes,
    placed.map(({ reference }) => reference),
  );
}
