import { errors } from '@elastic/elasticsearch';
import type { Clock } from '../../lib/clock.ts';
import { OperatingError } from '../../lib/errors.ts';
import { DAY_MS } from '../../lib/utc-date.ts';
import { INDICES, checked } from './answer-shapes.ts';
import { type ElasticsearchClient, withElasticsearch } from './client.ts';
import { parseIndexName } from './index-name.ts';

export interface RetentionOptions {
  readonly prefix: string;
  readonly streams: readonly string[];
  readonly retentionMs: number;
}

/** Lines of an index without a day in its name were more than a year old when they were read. */
const OLD_MS = 365 * DAY_MS;
const PAUSE_MS = 3_600_000;
/** Names go into the address of the request, which has a limit of 4 KiB. */
const NAMES_MAX = 20;

/** Deletes the indices whose last moment is longer ago than the retention, lines and dead letters; returns their names. */
export async function deleteOldIndices(
  client: ElasticsearchClient,
  { prefix, streams, retentionMs }: RetentionOptions,
  nowMs: number,
  signal?: AbortSignal,
): Promise<string[]> {
  const transport = signal === undefined ? {} : { signal };
  const all = [...streams, 'dead-letters'];
  const names = await withElasticsearch(client, 'retention', () =>
    listIndices(
      client,
      all.map((stream) => `${prefix}-${stream}-*`),
      transport,
    ),
  );
  const old = names.filter((name) =>
    all.some((stream) => {
      const parsed = parseIndexName(name, { prefix, stream });
      if (parsed === undefined) return false;
      if (parsed.endMs === -Infinity) return retentionMs <= OLD_MS;
      return parsed.endMs <= nowMs - retentionMs;
    }),
  );
  for (let at = 0; at < old.length; at += NAMES_MAX) {
    const index = old.slice(at, at + NAMES_MAX);
    await withElasticsearch(client, 'retention', () =>
      client.indices.delete({ index, ignore_unavailable: true }, transport),
    );
  }
  return old.sort();
}

async function listIndices(
  client: ElasticsearchClient,
  patterns: readonly string[],
  transport: { readonly signal?: AbortSignal },
): Promise<string[]> {
  try {
    const answer = await client.indices.get(
      {
        index: [...patterns],
        expand_wildcards: ['open', 'closed'],
        features: ['aliases'],
        allow_no_indices: true,
      },
      transport,
    );
    return Object.keys(checked(INDICES, answer, 'retention'));
  } catch (error) {
    if (error instanceof errors.ResponseError && error.statusCode === 404) return [];
    throw error;
  }
}

export interface RetentionParts {
  readonly client: ElasticsearchClient;
  readonly clock: Clock;
  readonly options: RetentionOptions;
  readonly notify: (event: RetentionEvent) => void;
}

export type RetentionEvent =
  | { readonly type: 'deleted'; readonly indices: readonly string[] }
  | { readonly type: 'failed'; readonly error: OperatingError };

/** Deletes what is too old now and every hour, until the signal aborts. What cannot be deleted is said, and lines go on. */
export async function keepRetention(
  { client, clock, options, notify }: RetentionParts,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    try {
      const indices = await deleteOldIndices(client, options, clock.nowMs(), signal);
      if (indices.length > 0) notify({ type: 'deleted', indices });
    } catch (error) {
      if (signal.aborted) return;
      if (!(error instanceof OperatingError)) throw error;
      // An absent server is the other lanes' news; it is asked again in an hour.
      if (!error.isRetryable) notify({ type: 'failed', error });
    }
    await clock.sleep(PAUSE_MS, signal);
  }
}
