import type { ElasticsearchSinkConfig } from '../config/elasticsearch-sink.ts';
import { runDocuments } from './document-tasks.ts';
import { openElasticsearchSink } from './elasticsearch-sinks.ts';
import type { RoleContext } from './role.ts';

export interface ElasticsearchRoleOptions {
  /** Set by `run`: this start may bring changed streams. */
  readonly maySwitch: boolean;
  /** Somebody waits: every position is committed at once. */
  readonly isOnce: boolean;
}

/** The role of one Elasticsearch sink: documents of lines, and beside them documents of rollup rows. */
export async function runElasticsearch(
  context: RoleContext,
  name: string,
  sink: ElasticsearchSinkConfig,
  options: ElasticsearchRoleOptions,
): Promise<void> {
  const client = openElasticsearchSink(sink);
  await runDocuments(context, { name, sink, client, ...options });
  await client.close();
}
