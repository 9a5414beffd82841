import type { ElasticsearchSinkConfig } from '../config/elasticsearch-sink.ts';
import { OperatingError } from '../lib/errors.ts';
import type { RoleContext } from './role.ts';

/** The role of one Elasticsearch sink: documents of lines, and beside them documents of rollup rows. */
export async function runElasticsearch(
  _context: RoleContext,
  name: string,
  _sink: ElasticsearchSinkConfig,
): Promise<void> {
  await Promise.reject(new OperatingError(`sink ${name}: documents are not built yet`, { code: 'CONFIG_NOT_BUILT' }));
}
