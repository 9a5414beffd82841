import type { FieldType } from '../record/batch.ts';

/**
 * Types of values in expressions: fields of type `keyword` and `ip` are `text`, a `date` is a `time` in milliseconds since 1970. `null` is the
 * type of NULL alone, which goes with every other.
 */
export type ValueType = 'boolean' | 'long' | 'double' | 'text' | 'time' | 'null';

/** What an expression means: typed, every cast written out. Plain JSON: it travels in the pipeline, and its text is printed from it (sql-text.ts). */
export type Tree = FieldTree | ConstantTree | CallTree;

/** An expression as it is written, and what it means: only that makes it another one. */
export interface WrittenExpression {
  readonly text: string;
  readonly tree: Tree;
}

export interface FieldTree {
  readonly kind: 'field';
  readonly name: string;
  readonly fieldType: FieldType;
  readonly type: ValueType;
}

export interface ConstantTree {
  readonly kind: 'constant';
  readonly type: ValueType;
  /** A `long` is its digits, a `time` milliseconds; null is NULL, of any type. */
  readonly value: string | number | boolean | null;
}

export interface CallTree {
  readonly kind: 'call';
  /** The name of the form (forms.ts). */
  readonly form: string;
  readonly type: ValueType;
  readonly args: readonly Tree[];
}

/** A value outside of columns. A `long` is a bigint within 64 bits, a `double` finite, a `time` in whole milliseconds. */
export type Value = boolean | bigint | number | string | null;

const VALUE_TYPES: Readonly<Record<FieldType, Exclude<ValueType, 'null'>>> = {
  keyword: 'text',
  ip: 'text',
  long: 'long',
  double: 'double',
  boolean: 'boolean',
  date: 'time',
};

/** The type of a field's values in expressions. */
export function valueTypeOf(type: FieldType): Exclude<ValueType, 'null'> {
  return VALUE_TYPES[type];
}

/** The type of a field that an expression makes. NULL alone becomes text. */
export function fieldTypeOf(type: ValueType): FieldType {
  if (type === 'text' || type === 'null') return 'keyword';
  return type === 'time' ? 'date' : type;
}

export function field(name: string, fieldType: FieldType): FieldTree {
  return { kind: 'field', name, fieldType, type: valueTypeOf(fieldType) };
}

export function constant(type: ValueType, value: ConstantTree['value']): ConstantTree {
  return { kind: 'constant', type, value };
}

export function call(form: string, type: ValueType, args: readonly Tree[]): CallTree {
  return { kind: 'call', form, type, args };
}

/** The fields that an expression looks at, each once, in the order of its text. */
export function fieldsOf(tree: Tree): FieldTree[] {
  const found = new Map<string, FieldTree>();
  const visit = (node: Tree): void => {
    if (node.kind === 'field' && !found.has(node.name)) found.set(node.name, node);
    else if (node.kind === 'call') for (const arg of node.args) visit(arg);
  };
  visit(tree);
  return [...found.values()];
}

/** The value of a constant. */
export function constantValue({ type, value }: ConstantTree): Value {
  return type === 'long' && value !== null ? BigInt(value as string) : value;
}
