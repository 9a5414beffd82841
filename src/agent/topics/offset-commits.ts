import type { Cluster } from '../../broker/kafka/cluster.ts';
import type { TrackedPartition } from './tracked-partition.ts';

const COMMIT_MS = 5_000;
/** A coordinator that is still loading refuses the first ones. */
const TELL_AFTER = 3;

/**
 * Tells the topics' own cluster how far they were read, under a group's name, so that lag boards there show it. Nothing is ever read back:
 * positions are those of the log. What fails is tried again with the next.
 */
export class OffsetCommits {
  readonly #cluster: Cluster;
  readonly #group: string | undefined;
  readonly #onFailure: (error: unknown) => void;
  #failures = 0;
  readonly #committed = new Map<string, number>();
  #nextMs = 0;
  #committing: Promise<void> | undefined;

  constructor(cluster: Cluster, group: string | undefined, onFailure: (error: unknown) => void) {
    this.#cluster = cluster;
    this.#group = group;
    this.#onFailure = onFailure;
  }

  commitIfDue(sources: Iterable<TrackedPartition>, nowMs: number): void {
    if (nowMs < this.#nextMs || this.#committing !== undefined) return;
    this.#nextMs = nowMs + COMMIT_MS;
    void this.#commit(sources);
  }

  /** What was acknowledged since. */
  async last(sources: Iterable<TrackedPartition>): Promise<void> {
    await this.#committing;
    await this.#commit(sources);
  }

  async #commit(sources: Iterable<TrackedPartition>): Promise<void> {
    if (this.#group === undefined) return;
    const offsets = new Map<string, Map<number, number>>();
    const paths: [string, number][] = [];
    for (const { path, position, name } of sources) {
      if (name === undefined || this.#committed.get(path) === position) continue;
      const { topic, partition } = name;
      offsets.set(topic, (offsets.get(topic) ?? new Map<number, number>()).set(partition, position));
      paths.push([path, position]);
    }
    if (paths.length === 0) return;
    const run = async (group: string): Promise<void> => {
      try {
        await this.#cluster.commitOffsets(group, offsets);
        for (const [path, position] of paths) this.#committed.set(path, position);
        this.#failures = 0;
      } catch (error) {
        // It is for boards only, and comes again.
        if (++this.#failures === TELL_AFTER) this.#onFailure(error);
      }
      this.#committing = undefined;
    };
    this.#committing = run(this.#group);
    await this.#committing;
  }
}
