import { type ColumnProgram, interpretedColumn } from './column.ts';
import type { Tree } from './tree.ts';

/** An expression as a program over batches. `columnOf` knows the batch's column of each field of the tree. */
export function compileColumn(tree: Tree, columnOf: (field: string) => number): ColumnProgram {
  return interpretedColumn(tree, columnOf);
}
