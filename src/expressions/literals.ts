import { cutText } from '../lib/text.ts';
import type { FormProblem } from './form.ts';
import type { SqlNode } from './sql-node.ts';
import { type ConstantTree, constant } from './tree.ts';

const LONG_MAX = 2n ** 63n - 1n;

/**
 * A literal. Whole numbers are of 64 bits; a number with a point or an exponent is a double, where DuckDB has decimals for some: an expression that
 * multiplies by 0.05 is about measures, not about money. `written`: as it stands in the text.
 */
export function literalOf(node: SqlNode, written = 'this'): ConstantTree | FormProblem {
  const { type, is_null: isNull, value } = node['value'] as LiteralValue;
  if (isNull) return constant('null', null);
  switch (type.id) {
    case 'VARCHAR':
      return constant('text', String(value));
    case 'BOOLEAN':
      return constant('boolean', value === true);
    case 'DOUBLE':
      return Number.isFinite(Number(value))
        ? constant('double', Number(value))
        : { message: `${cutText(written)} is too large for a number` };
    case 'DECIMAL':
      return decimalOf(value, type.type_info?.scale ?? 0);
    case 'TINYINT':
    case 'SMALLINT':
    case 'INTEGER':
    case 'BIGINT':
      return constant('long', String(BigInt(value as string)));
    default:
      return {
        message: `a literal of type ${type.id.toLowerCase()} cannot be used here`,
        hint: BEYOND.get(type.id) ?? 'write text, a number, true, false or null',
      };
  }
}

interface LiteralValue {
  readonly type: { readonly id: string; readonly type_info: { readonly scale?: number } | null };
  readonly is_null: boolean;
  readonly value: unknown;
}

const BEYOND: ReadonlyMap<string, string> = new Map(
  Object.entries({
    HUGEINT: `whole numbers go to ${LONG_MAX}: write it with a point`,
    UHUGEINT: `whole numbers go to ${LONG_MAX}: write it with a point`,
  }),
);

/** Digits without their point, and how many of them stand behind it; beyond 64 bits in two halves. */
function decimalOf(value: unknown, scale: number): ConstantTree {
  const digits =
    typeof value === 'object' && value !== null
      ? BigInt.asIntN(
          128,
          (BigInt((value as Halves).upper) << 64n) | BigInt.asUintN(64, BigInt((value as Halves).lower)),
        )
      : BigInt(value as string);
  return constant('double', Number(`${digits}e-${scale}`));
}

interface Halves {
  readonly upper: string | number;
  readonly lower: string | number;
}
