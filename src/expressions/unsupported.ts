import { distance } from 'fastest-levenshtein';
import type { FormProblem } from './form.ts';
import { FORMS, formCalled } from './forms.ts';
import { cutText } from '../lib/text.ts';
import type { SqlNode } from './sql-node.ts';

type Refusal = readonly [what: string, hint?: string];

const ONE_LINE = 'an expression sees one line at a time';
const IN_JSON = "write field ->> '$.name' for a value within JSON, '$.list[0]' for one of a list";

/** What to write in place of SQL that an expression cannot be: by the class of DuckDB's node, or its type. */
const NODES: ReadonlyMap<string, Refusal> = new Map<string, Refusal>(
  Object.entries<Refusal>({
    SUBQUERY: ['a subquery', ONE_LINE],
    WINDOW: ['a window function', ONE_LINE],
    STAR: ['*', 'write count(*) in measures:, or name the fields'],
    LAMBDA: ['-> and functions of elements', IN_JSON],
    PARAMETER: ['a parameter', 'write the value itself'],
    COLLATE: ['a collation', 'write lower(…) or ilike'],
    POSITIONAL_REFERENCE: ['a column by its number', 'write the name of the field'],
    DEFAULT: ['default', 'write the value itself'],
    ARRAY_EXTRACT: ['a value in brackets', IN_JSON],
    ARRAY_SLICE: ['a part in brackets', 'write substring(text, 2, 3)'],
    STRUCT_EXTRACT: [
      'a part of a struct',
      'a field with dots in its name is written without parentheses, or in double quotes',
    ],
    GROUPING_FUNCTION: ['grouping', ONE_LINE],
  }),
);

/** Forms that another name has in DuckDB, and signs. */
const NAMES: ReadonlyMap<string, Refusal> = new Map(
  Object.entries<Refusal>({
    count_star: ['the aggregate count(*)', 'an aggregate belongs in measures:'],
    row: ['several values in parentheses', 'write one expression, or in (…) behind a value'],
    '~~~': ['glob', "write like 'a%', or regexp_matches(…, '^a')"],
    glob: ['glob', "write like 'a%', or regexp_matches(…, '^a')"],
    reverse: ['the function reverse', 'write right(…), ends_with(…) or split_part(…, -1) for what is at the end'],
    regexp_extract_all: ['the function regexp_extract_all', 'write regexp_extract(text, pattern, group)'],
    printf: ['the function printf', 'write concat(…), lpad(…) or round(…)'],
    format: ['the function format', 'write concat(…), lpad(…) or round(…)'],
    strip_accents: ['the function strip_accents', 'write lower(…) or ilike'],
    overlay: ['overlay', 'write concat(left(…), …, substring(…))'],
    '!__postfix': ['the operator !', 'write not, or <>'],
    '!': ['the operator !', 'write not, or <>'],
  }),
);

const WINDOWS =
  'row_number rank rank_dense dense_rank percent_rank cume_dist ntile lag lead first_value last_value nth_value fill';

/** As `duckdb_functions()` lists them; a test looks for new ones. */
const AGGREGATES =
  'any_value approx_count_distinct approx_quantile approx_top_k arbitrary arg_max arg_max_null arg_max_nulls_last ' +
  'arg_min arg_min_null arg_min_nulls_last argmax argmin array_agg avg bit_and bit_or bit_xor bitstring_agg bool_and ' +
  'bool_or corr count count_if countif covar_pop covar_samp entropy favg first fsum geomean geometric_mean group_concat ' +
  'histogram histogram_exact histogram_values json_group_array json_group_object json_group_structure kahan_sum kurtosis ' +
  'kurtosis_pop last list listagg mad max max_by mean median min min_by mode product quantile quantile_cont ' +
  'quantile_disc regr_avgx regr_avgy regr_count regr_intercept regr_r2 regr_slope regr_sxx regr_sxy regr_syy ' +
  'reservoir_quantile sem skewness stddev stddev_pop stddev_samp string_agg sum sum_no_overflow sumkahan var_pop ' +
  'var_samp variance wavg weighted_avg';

const AGGREGATE = ofWords(AGGREGATES);

/** Whether DuckDB has an aggregate of that name. */
export function isAggregate(name: string): boolean {
  return AGGREGATE.test(name);
}

const AGAIN = 'a line that is read again would get another value';

/** The first that takes a name says what is wrong with it. */
const FAMILIES: readonly (readonly [names: RegExp, what: (name: string) => string, hint: string])[] = [
  [ofWords(WINDOWS), (name) => `the window function ${name}`, ONE_LINE],
  [AGGREGATE, (name) => `the aggregate ${name}`, 'an aggregate belongs in measures:'],
  [
    /^(?:now|today|current_(?:date|time|timestamp|localtime|localtimestamp)|localtime(?:stamp)?|get_current_\w+|transaction_timestamp|ago|age)$/,
    (name) => `${name}, since ${AGAIN}`,
    'name the field of the time: @timestamp',
  ],
  [
    /^(?:random|setseed|uuid\w*|gen_random_uuid|nextval|currval)$/,
    (name) => `${name}, since ${AGAIN}`,
    'write md5(…) of fields for a key',
  ],
  [
    /^(?:read_\w+|parquet_\w+|sniff_csv|query|query_table|\w*_scan(?:_dumb)?|json_execute_\w+|write_log)$/,
    (name) => `the function ${name}`,
    'files are read by sources:',
  ],
  [
    /^(?:user|session_user|current_\w+|has_\w+|pg_\w+|duckdb_\w+|pragma_\w+|inet_(?:client|server)_\w+|getvariable|txid_current|version|in_search_path|\w+_description)$/,
    (name) => `${name}, which is about the database`,
    ONE_LINE,
  ],
  [
    /^(?:(?:str|string)_split\w*|split|string_to_array|regexp_split_to_(?:array|table)|parse_(?:path|dirname|dirpath|filename))$/,
    (name) => `the function ${name}`,
    "write split_part(text, ',', 1)",
  ],
  [
    /^(?:left|right|length|substring)_grapheme$/,
    (name) => `the function ${name}`,
    'write left, right, length or substring: they count code points',
  ],
  [
    /^(?:list|array|map|struct|element|union|enum|cardinality|flatten|unnest|generate_s|range|grade_up|apply|filter|reduce|aggregate$|json|to_json|from_json|row_to_json|row$|->$|[@<&]+[@>&]+$|summary$)/,
    (name) => `the function ${name}`,
    IN_JSON,
  ],
  [
    /^str[fp]time$|^try_strptime$/,
    (name) => `the function ${name}`,
    "write date_trunc('hour', @timestamp), or date_part('hour', @timestamp)",
  ],
];

function ofWords(words: string): RegExp {
  return new RegExp(`^(?:${words.replaceAll(' ', '|')})$`);
}

/** Says of a part of SQL that expressions do not have it, by its name, and what to write. */
export function unsupported(node: SqlNode): FormProblem {
  if (isAnyOfList(node)) return problem(['any(…)', `write ${anyOfListHint(node)}`]);
  const known = NODES.get(node.class) ?? NODES.get(node.type);
  if (known !== undefined) return problem(known);
  return node.class === 'FUNCTION' ? functionProblem(node) : problem([node.type.toLowerCase().replaceAll('_', ' ')]);
}

/** What is wrong with a word that is not a field: some are functions without parentheses. */
export function unsupportedWord(word: string): FormProblem | undefined {
  const name = word.toLowerCase();
  return /^(?:current_\w+|localtime(?:stamp)?|user|session_user)$/.test(name) ? problem(refusalOf(name)) : undefined;
}

/** What stands before the name of a function, with a point: to DuckDB a schema; people mean a field. */
export function ownerOf(node: SqlNode): string | undefined {
  const owner = [node['catalog'], node['schema']].filter((part) => part !== '' && part !== undefined).join('.');
  return owner === '' || owner === 'main' ? undefined : owner;
}

interface AnySubquery {
  readonly subquery: { readonly node: { readonly select_list?: readonly SqlNode[] } };
  readonly child: SqlNode | null;
}

/** `field = any([…])`, which DuckDB reads as a subquery over the list. */
function isAnyOfList(node: SqlNode): boolean {
  if (node.class !== 'SUBQUERY' || node['comparison_type'] !== 'COMPARE_EQUAL') return false;
  return (node as unknown as AnySubquery).subquery.node.select_list?.[0]?.['function_name'] === 'unnest';
}

function anyOfListHint(node: SqlNode): string {
  const { child } = node as unknown as AnySubquery;
  const field = child?.class === 'COLUMN_REF' ? (child['column_names'] as readonly string[]).join('.') : '…';
  return `${field} in ('a', 'b')`;
}

function functionProblem(node: SqlNode): FormProblem {
  const name = String(node['function_name']).toLowerCase();
  const owner = ownerOf(node);
  if (owner !== undefined) {
    const what = `the function ${cutText(`${owner}.${name}`)}`;
    const more = (node['children'] as readonly unknown[]).length > 0 ? ', …' : '';
    return problem(formCalled(name) === undefined ? [what] : [what, `write ${name}(${cutText(owner)}${more})`]);
  }
  if (formCalled(name) === undefined) return problem(refusalOf(name));
  return { message: `${name} takes only values: no names, distinct, order by or filter`, hint: `write ${name}(…)` };
}

function refusalOf(name: string): Refusal {
  const known = NAMES.get(name);
  if (known !== undefined) return known;
  const family = FAMILIES.find(([names]) => names.test(name));
  if (family !== undefined) return [family[1](cutText(name)), family[2]];
  const near = nearForm(name);
  const what = `the ${/^\w+$/.test(name) ? 'function' : 'operator'} ${cutText(name)}`;
  return near === undefined ? [what] : [what, `did you mean ${near}?`];
}

/** A function whose name is spelled nearly so. */
function nearForm(name: string): string | undefined {
  if (name.length < 3) return undefined;
  const most = name.length < 6 ? 1 : 2;
  const words = FORMS.flatMap(({ calls }) => calls).filter((called) => /^[a-z]\w+$/.test(called));
  const near = words.map((word) => [distance(name, word), word] as const).sort(([a], [b]) => a - b)[0];
  return near !== undefined && near[0] <= most ? near[1] : undefined;
}

function problem([what, hint]: Refusal): FormProblem {
  return { message: `expressions do not have ${what}`, ...(hint === undefined ? {} : { hint }) };
}
