import { formNamed } from './forms.ts';
import type { ConstantTree, Tree } from './tree.ts';

/** A tree as DuckDB's SQL that has our meaning, of fields as `column` writes them. */
export function sqlOf(tree: Tree, column: (field: string) => string): string {
  if (tree.kind === 'field') return column(tree.name);
  if (tree.kind === 'constant') return constantSql(tree);
  return formNamed(tree.form).sql(
    tree.args.map((arg) => sqlOf(arg, column)),
    tree.args,
  );
}

const SQL_TYPES = {
  boolean: 'BOOLEAN',
  long: 'BIGINT',
  double: 'DOUBLE',
  text: 'VARCHAR',
  time: 'TIMESTAMPTZ',
  null: 'VARCHAR',
} as const;

function constantSql({ type, value }: ConstantTree): string {
  if (value === null) return `CAST(NULL AS ${SQL_TYPES[type]})`;
  if (type === 'text') return `'${String(value).replaceAll("'", "''")}'`;
  if (type === 'time') return `make_timestamptz(${(value as number) * 1000})`;
  return type === 'boolean' ? String(value) : `CAST('${String(value)}' AS ${SQL_TYPES[type]})`;
}
