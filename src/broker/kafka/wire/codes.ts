import { Bug } from '../../../lib/assert.ts';
import { OperatingError } from '../../../lib/errors.ts';
import { asOperatingError, isDenied, unreachableError } from '../kafka-error.ts';
import { createErrorFromCode } from '../kafkajs.ts';

/** Codes of Kafka's answers that mean something of their own here (kafka.apache.org/protocol, "Error Codes"). */
export const CODES = {
  none: 0,
  offsetOutOfRange: 1,
  unknownTopicOrPartition: 3,
  topicAuthorizationFailed: 29,
} as const;

/** Newer than kafkajs. */
const NEWER_NAMES: Readonly<Record<number, string>> = { 100: 'UNKNOWN_TOPIC_ID', 103: 'INCONSISTENT_TOPIC_ID' };

export function codeName(code: number): string {
  return NEWER_NAMES[code] ?? createErrorFromCode(code).type;
}

/** A bug of this program, which must not be taken for a broker's failure and waited out. */
export function isDefect(error: unknown): boolean {
  return error instanceof Bug || error instanceof TypeError || error instanceof ReferenceError;
}

/** An error of kafkajs as one of ours, with the way out for who reads topics: it waits for whatever is mended. */
export function asSourceError(error: unknown, where: string): unknown {
  if (error instanceof OperatingError || !(error instanceof Error)) return error;
  if (isDefect(error)) return error;
  if (!isDenied(error)) {
    const known = asOperatingError(error, where);
    return known instanceof OperatingError ? known : unreachableError(where, error);
  }
  return new OperatingError(`${where}: Kafka refuses: ${error.message}`, {
    code: 'KAFKA_ACCESS_DENIED',
    isRetryable: true,
    hint: "look at the source's sasl, and at the rights of that user on its topics",
    cause: error,
  });
}

/** An answer that says no. `where` names the broker, topic or partition it was asked about. */
export function answerError(code: number, where: string): OperatingError {
  const error = asSourceError(createErrorFromCode(code), where);
  if (error instanceof OperatingError && NEWER_NAMES[code] === undefined) return error;
  return new OperatingError(`${where}: ${codeName(code)}`, {
    code: `KAFKA_${codeName(code)}`,
    isRetryable: true,
    hint: 'it is asked again',
  });
}

export function tooOld(address: string, api: string): OperatingError {
  return new OperatingError(`${address} is too old: its ${api} lacks a version that is needed`, {
    code: 'KAFKA_TOO_OLD',
    hint: 'Kafka 2.4 or later is needed',
  });
}
