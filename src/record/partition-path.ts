const SCHEME = 'kafka://';

/** In place of a file's path, for a source that is a partition: `kafka://<cluster id>/<topic>/<partition>`. The cluster's id, since its addresses change. */
export function partitionPath(name: {
  readonly clusterId: string;
  readonly topic: string;
  readonly partition: number;
}): string {
  return `${SCHEME}${name.clusterId}/${name.topic}/${name.partition}`;
}

/** Positions of such a source are offsets, not bytes, and nobody but the agent can read it again. */
export function isPartitionPath(path: string): boolean {
  return path.startsWith(SCHEME);
}

/** The topic of a partition's path. */
export function topicOfPath(path: string): string {
  return path.slice(SCHEME.length).split('/')[1] ?? '';
}
