import type { RollupSpec } from '../epoch/pipeline.ts';
import type { KeySpec } from '../epoch/table.ts';
import type { FieldType } from '../record/batch.ts';
import { RESERVED_COLUMNS, columnOf } from './config.ts';
import type { ConfigComponents } from './definitions.ts';
import type { Path } from './document.ts';
import type { ExpressionReader } from './expressions.ts';
import { type StreamFields, isMeasureError, sharingSketches, unknownField } from './measures.ts';
import type { Problem } from './problem.ts';
import { schemasOf } from './schema.ts';
import { type DerivedText, parseMeasure } from './sql-measures.ts';
import { type WindowSection, operatorOf } from './windows.ts';

/** Names that people give to the columns of fields whose own name is taken. */
const USUAL_NAMES: ReadonlyMap<string, string> = new Map([['status', 'http_status']]);

/** The columns of a table, each with what has it. SQL knows no difference between `a` and `A`. */
export class TableColumns {
  readonly #owners = new Map<string, string>();

  /** `own`: columns that the table's kind of window brings. */
  constructor(own: readonly string[] = []) {
    for (const column of [...RESERVED_COLUMNS, ...own]) this.take(column, `every table's own ${column}`);
  }

  ownerOf(column: string): string | undefined {
    return this.#owners.get(column.toLowerCase());
  }

  take(column: string, owner: string): void {
    this.#owners.set(column.toLowerCase(), owner);
  }

  /** A name that a field's column may have when its own is taken. */
  freeName(field: string): string {
    const plain = columnOf(field)
      .toLowerCase()
      .replaceAll(/_+/g, '_')
      .replaceAll(/^_|_$/g, '')
      .slice(0, NAME_SHOWN_MAX);
    const usual = USUAL_NAMES.get(plain) ?? (plain === '' ? 'log_field' : `log_${plain}`);
    for (let number = 1; ; number++) {
      const name = number === 1 ? usual : `${usual}_${number}`;
      if (this.ownerOf(name) === undefined) return name;
    }
  }
}

/** Room for `log_` and a number within the 63 characters of a name. */
const NAME_SHOWN_MAX = 50;

export interface ResolvedColumns extends Pick<RollupSpec, 'by' | 'measures'> {
  /** Measures that are made of others; none where one of those is wrong, or was not read yet. */
  readonly derived: readonly DerivedText[];
}

/** Keys and measures: what they name must be there, and no two of them may be the same column. */
export function resolveColumns(
  path: Path,
  raw: Readonly<Record<string, unknown>>,
  lines: StreamFields,
  components: ConfigComponents,
  { parser, report }: ExpressionReader,
): ResolvedColumns {
  const { fields } = lines;
  const { rollup: rollupSection } = schemasOf(components);
  const window = rollupSection.shape.window.safeParse(raw['window']).data as WindowSection | undefined;
  const columns = new TableColumns(window === undefined ? [] : operatorOf(window, components).ownColumns);
  const given = rollupSection.shape.by.safeParse(raw['by']).data ?? [];
  const by = given.map((key, i) => {
    const spec = keySpec(key, fields);
    const isNamed = spec.as !== undefined;
    const at = [...path, 'by', i];
    if (!Object.hasOwn(fields, spec.field))
      report(typeof key === 'string' ? at : [...at, 'field'], 'value', unknownField(spec.field, lines));
    else {
      const owner = columns.ownerOf(spec.column);
      const what = `the key ${spec.field}`;
      if (owner === undefined) columns.take(spec.column, what);
      else {
        const hint = !isNamed && owner === what ? 'leave one out' : namedKey(spec.field, columns);
        report(isNamed ? [...at, 'as'] : at, 'value', clash(what, owner, spec.column, hint));
      }
    }
    return spec;
  });
  const named = rollupSection.shape.measures.safeParse(raw['measures']);
  const derived: DerivedText[] = [];
  let isWhole = true;
  const written = Object.entries(named.data ?? {});
  const aggregates = Object.values(components.aggregates);
  const context = { aggregates, lines, parser, measures: written.map(([name]) => name) };
  const measures = written.flatMap(([name, text]) => {
    const at = [...path, 'measures', name];
    const owner = columns.ownerOf(name);
    if (owner === undefined) columns.take(name, `the measure ${name}`);
    else report(at, 'key', clash(`the measure ${name}`, owner, name, 'choose another name'));
    const measure = parseMeasure(name, text, context);
    if (measure !== undefined && 'parsed' in measure) derived.push(measure);
    else if (measure !== undefined && !isMeasureError(measure)) return [measure];
    else isWhole = false;
    if (measure !== undefined && 'code' in measure) report(at, 'value', measure);
    return [];
  });
  return { by, measures: sharingSketches(measures, components.aggregates), derived: isWhole ? derived : [] };
}

/** An unknown field is said elsewhere; here it passes as text. */
function keySpec(
  key: string | { readonly field: string; readonly as?: string | undefined },
  fields: Readonly<Record<string, FieldType>>,
): KeySpec {
  const { field, as } = typeof key === 'string' ? { field: key } : key;
  const type = Object.hasOwn(fields, field) ? fields[field]! : 'keyword';
  return as === undefined ? { field, type, column: columnOf(field) } : { field, type, column: as, as };
}

function clash(what: string, owner: string, column: string, hint: string): Omit<Problem, 'position'> {
  return { code: 'CONFIG_COLUMN_CLASH', message: `${what} and ${owner} would both be the column ${column}`, hint };
}

/** How to call the column of a field otherwise. */
export function namedKey(field: string, columns = new TableColumns()): string {
  return `name it: { field: ${yamlText(field)}, as: ${columns.freeName(field)} }`;
}

/** A text as YAML takes it inside braces. */
function yamlText(text: string): string {
  return /^[A-Za-z_][A-Za-z0-9_.]*$/.test(text) ? text : JSON.stringify(text);
}
