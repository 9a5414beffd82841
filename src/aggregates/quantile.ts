import { type AggregateDefinition, NO_NUMBERS } from './aggregate.ts';
import { DDSKETCH_COLUMNS, DDSketchRows, mergedQuantileSql, quantileOf } from './ddsketch.ts';

/** `p5`, `p50`, `p99`: hundredths. `p999` and `p9999`: 99.9 and 99.99 hundredths, as people write them. */
const PERCENTILE = /^p(?:(0?[1-9]|[1-9]\d)|(9\d{2,5}))$/;

/** Quantiles of a numeric field, one measure each; those of one field share their state. */
export const quantile: AggregateDefinition = {
  ...NO_NUMBERS,
  name: 'quantile',
  summary:
    'The value below which a share of the values of a numeric field lies, within 1 %. At most 32 KiB a row, once for all quantiles of a field. NULL where no line had a value.',
  argument: 'number',
  sketch: {
    rows: () => new DDSketchRows(),
    result: (state, _type, q) => quantileOf(state, q!),
    valueType: () => 'double',
    sqlColumns: () => DDSKETCH_COLUMNS,
    mergedSql: (names, q) => mergedQuantileSql(names, q!),
    parameter: {
      what: 'a share between 0 and 1, such as 0.99',
      isValid: (q) => q > 0 && q < 1,
      ofAlias(name) {
        if (name === 'median') return 0.5;
        const [, hundredths, digits] = PERCENTILE.exec(name) ?? [];
        if (hundredths !== undefined) return Number(hundredths) / 100;
        return digits === undefined ? undefined : Number(`0.${digits}`);
      },
      aliases: ['median', 'p50', 'p90', 'p95', 'p99', 'p999'],
      examples: [0.99, 0.5, 0.01, 0.999],
    },
  },
  examples: [
    { values: [0, null, 0, 3], result: 0 },
    { values: [null], result: null },
  ],
};
