import type { TransformSpec } from '../../src/epoch/pipeline.ts';

type Line<T> = Readonly<Record<string, T>>;

/** What the transforms of a stream make of one decoded line, said once more and without a plan: the oracle of what is never done line by line. */
export function plainTransforms<T>(line: Line<T>, transforms: readonly TransformSpec[]): Line<T> {
  return transforms.reduce(plainTransform, line) as Line<T>;
}

function plainTransform<T>(line: Line<T>, { type, fields }: TransformSpec): Line<T> {
  const made: Record<string, T> = {};
  for (const field in line) {
    const value = line[field]!;
    if (type === 'rename') made[(fields as Record<string, string>)[field] ?? field] = value;
    else if ((fields as string[]).includes(field) === (type === 'keep')) made[field] = value;
  }
  return made;
}
