import { type PartitionName, partitionIdentity } from './partition-name.ts';
import type { TrackedPartition } from './tracked-partition.ts';

/** Every source of an input that the registry knows, by the path of its partition: those of a topic that was made again have the same. */
export class PartitionSources implements Iterable<TrackedPartition> {
  readonly #byPath = new Map<string, TrackedPartition[]>();

  constructor(sources: Iterable<TrackedPartition>) {
    for (const source of sources) this.add(source);
  }

  add(source: TrackedPartition): void {
    this.#byPath.set(source.path, [...this.at(source.path), source]);
  }

  forget(source: TrackedPartition): void {
    const rest = this.at(source.path).filter((other) => other !== source);
    if (rest.length === 0) this.#byPath.delete(source.path);
    else this.#byPath.set(source.path, rest);
  }

  at(path: string): readonly TrackedPartition[] {
    return this.#byPath.get(path) ?? [];
  }

  /** Those that are the partition of this name and not of one that had it before, oldest first. */
  of(name: PartitionName, path: string): TrackedPartition[] {
    return this.at(path)
      .filter((source) => partitionIdentity(name, source.origin) === source.identity)
      .toSorted((left, right) => left.number - right.number);
  }

  *[Symbol.iterator](): Iterator<TrackedPartition> {
    for (const sources of this.#byPath.values()) yield* sources;
  }
}
