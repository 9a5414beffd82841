import { OperatingError, describeError } from '../../lib/errors.ts';

/** Why a query that ran, or waited, was ended. */
export type EndReason = 'timeout' | 'memory' | 'client' | 'taker' | 'writer' | 'stopping';

const ENDED: Readonly<Record<EndReason, { readonly code: string; readonly why: string; readonly hint?: string }>> = {
  timeout: { code: 'SQL_TIMEOUT', why: 'it took more than', hint: 'ask for less: a shorter time, fewer columns' },
  memory: {
    code: 'SQL_MEMORY',
    why: 'the warehouse was short of memory',
    hint: 'ask for less: a shorter time, fewer columns',
  },
  taker: { code: 'SQL_TIMEOUT', why: 'its rows were not taken for', hint: 'write them to a file' },
  client: { code: 'SQL_INTERRUPTED', why: 'who asked it went away' },
  writer: { code: 'SQL_INTERRUPTED', why: 'the warehouse needed its file for itself', hint: 'ask again' },
  stopping: { code: 'SQL_INTERRUPTED', why: 'the warehouse is stopping', hint: 'ask again when it runs' },
};

export function endedError(reason: EndReason, timeoutMs: number): OperatingError {
  const { code, why, hint } = ENDED[reason];
  const time = code === 'SQL_TIMEOUT' ? ` ${timeoutMs / 1000} s` : '';
  return new OperatingError(`the query was interrupted: ${why}${time}`, {
    code,
    isRetryable: code !== 'SQL_TIMEOUT',
    ...(hint === undefined ? {} : { hint }),
  });
}

/** It would only do the same again. */
export function refusedForHarm(): OperatingError {
  return new OperatingError('this query has ended the process that answered it twice: it is refused for a day', {
    code: 'SQL_HARMFUL',
    hint: 'ask for less at once: shorter patterns, fewer joins, a shorter time',
  });
}

/** For who asked it when the process died, and asks again. */
export function endedProcess(): OperatingError {
  return new OperatingError('the process that answered was ended while this query ran', {
    code: 'SQL_HARMFUL',
    hint: 'it took too much memory or could not be interrupted: ask for less; once more, and it is refused for a day',
  });
}

/** DuckDB's message on one line, without the picture of the query behind it. */
export function queryError(error: unknown): unknown {
  if (error instanceof OperatingError) return error;
  const text = describeError(error);
  const message = text
    .replace(/\n\s*LINE \d+:[^]*$/, '')
    .replaceAll(/\s*\n\s*/g, ' ')
    .trim();
  const isUnknownTable = /^(Error: )?Catalog Error: Table with name/.test(message);
  const shown = isUnknownTable ? message.replace(/ ?Did you mean .*$/, '') : message;
  return new OperatingError(shown, {
    code: 'SQL_FAILED',
    ...(isUnknownTable ? { hint: 'SHOW TABLES lists the rollups, SHOW ALL TABLES everything' } : {}),
    cause: error,
  });
}
