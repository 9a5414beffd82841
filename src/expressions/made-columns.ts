import { assert, present } from '../lib/assert.ts';
import type { Batch, Field, FieldType, Fields } from '../record/batch.ts';
import { hash64 } from '../lib/hash.ts';
import { compileColumn } from './compile.ts';
import { sqlOf } from './sql-text.ts';
import { type Tree, fieldTypeOf, fieldsOf } from './tree.ts';

/** A field that somebody needs: one that is there, or what an expression makes of those. */
export interface WantedField extends Field {
  readonly expression?: Tree;
}

/** Fields by name, and what each is: a field that is read, by its name there, or SQL over such names in brackets. */
export type Origins = ReadonlyMap<string, string>;

export function originIn(origins: Origins, field: string): string {
  return present(origins.get(field), `there is no field ${field}`);
}

/** An expression over fields with these origins as SQL over what is read. */
export function originOfTree(tree: Tree, origins: Origins): string {
  const origin = `(${sqlOf(tree, (field) => {
    const of = originIn(origins, field);
    return isMade(of) ? of : `"${of.replaceAll('"', '""')}"`;
  })})`;
  return origin.length <= ORIGIN_CHARACTERS_MAX ? origin : `(${hash64(origin)})`;
}

/** A field made of one that is made, and so on, would be a text that doubles at each step: a longer one stands there by its hash. */
const ORIGIN_CHARACTERS_MAX = 300;

/** A name for what an expression makes of fields, the same for the same expression. */
export function nameOfTree(tree: Tree): string {
  return originOfTree(tree, new Map(fieldsOf(tree).map(({ name }) => [name, name])));
}

function isMade(origin: string): boolean {
  return origin.startsWith('(');
}

/** An expression over fields with these origins, and the field that it makes where it has a name. */
interface MadeField {
  readonly tree: Tree;
  readonly origins: Origins;
  readonly name: string | undefined;
}

/** Expressions by their origin, each with the origins of the fields that it names. */
export class MadeFields {
  readonly #made: Map<string, MadeField>;

  constructor(others?: MadeFields) {
    this.#made = new Map(others === undefined ? [] : others.#made);
  }

  /** Gives the origin. */
  add(tree: Tree, origins: Origins, name?: string): string {
    const origin = originOfTree(tree, origins);
    this.#made.set(origin, { tree, origins, name });
    return origin;
  }

  get(origin: string): MadeField | undefined {
    return this.#made.get(origin);
  }
}

/**
 * The columns of a batch of which some are made of others. What nobody needs is not made, and what is needed is made as late as can be: then fewer
 * lines are left.
 */
export class MadeColumns {
  /** Types of all columns: first those that are wanted, then what they are made of. */
  readonly types: FieldType[];
  readonly #origins: string[];
  readonly #read: Fields;
  readonly #made: MadeFields;
  readonly #names: (string | undefined)[];
  readonly #isReady = new Set<number>();

  /** `read`: the fields that are there without being made, by their origin. */
  constructor(wanted: readonly (Field & { readonly origin: string })[], read: Fields, made: MadeFields) {
    this.types = wanted.map(({ type }) => type);
    this.#origins = wanted.map(({ origin }) => origin);
    this.#names = wanted.map(({ name }) => name);
    this.#read = read;
    this.#made = made;
  }

  /** Of those that are read: their places, and their fields in this order. Complete when every step is there. */
  get readPlaces(): { readonly place: number; readonly field: Field }[] {
    return this.#origins.flatMap((name, place) =>
      isMade(name) ? [] : [{ place, field: { name, type: this.types[place]! } }],
    );
  }

  /** The column of an origin; a new one where there is none. */
  placeOf(origin: string): number {
    const place = this.#origins.indexOf(origin);
    if (place >= 0) return place;
    const made = this.#made.get(origin);
    this.types.push(
      made === undefined ? present(this.#read[origin], `${origin} is read`) : fieldTypeOf(made.tree.type),
    );
    this.#names.push(undefined);
    return this.#origins.push(origin) - 1;
  }

  /** The steps that make these columns, of those that no step has made yet. */
  stepsFor(origins: readonly string[]): ColumnStep[] {
    return origins.flatMap((origin) => this.#stepsAt(this.placeOf(origin)));
  }

  /** The steps for every column that is there. */
  restSteps(): ColumnStep[] {
    return this.#origins.flatMap((_, place) => this.#stepsAt(place));
  }

  #stepsAt(place: number): ColumnStep[] {
    const made = this.#made.get(this.#origins[place]!);
    if (made === undefined || this.#isReady.has(place)) return [];
    this.#isReady.add(place);
    const { tree, origins } = made;
    const before = fieldsOf(tree).flatMap(({ name }) => this.stepsFor([originIn(origins, name)]));
    const program = compileColumn(tree, (field) => {
      const column = this.placeOf(originIn(origins, field));
      assert(column !== place, 'a column is not made of itself');
      return column;
    });
    const name = this.#names[place] ?? made.name ?? 'an expression';
    return [...before, { name, run: (batch) => program.run(batch, batch.columns[place]!) }];
  }
}

/** Makes one column of a batch, for the lines whose verdict is 0. */
export interface ColumnStep {
  /** Of the field that it makes. */
  readonly name: string;
  /** Gives the lines on which a value was lost. */
  run(batch: Batch): number;
}
