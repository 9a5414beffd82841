import { EXIT, OperatingError, describeError } from '../../lib/errors.ts';

/** Name of an error in Kafka's protocol, as kafkajs has it; undefined for a connection that failed and for anything else. */
export function protocolType(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null || !('type' in error)) return undefined;
  return typeof error.type === 'string' ? error.type : undefined;
}

/** The cluster says no, and will go on saying it until somebody changes a right or a password. */
export function isDenied(error: unknown): boolean {
  const type = protocolType(error);
  if (type !== undefined)
    return /AUTHORIZATION_FAILED|SASL_AUTHENTICATION_FAILED|UNSUPPORTED_SASL_MECHANISM|ILLEGAL_SASL_STATE/.test(type);
  return error instanceof Error && error.name === 'KafkaJSSASLAuthenticationError';
}

export function isUnknownTopic(error: unknown): boolean {
  return protocolType(error) === 'UNKNOWN_TOPIC_OR_PARTITION' || protocolType(error) === 'INVALID_TOPIC_EXCEPTION';
}

/** A certificate that is not trusted, or TLS where the broker speaks none: waiting would not mend it. */
function isTlsRefusal(error: unknown): boolean {
  return /certificate|self[- ]signed|SSL routines|wrong version number|Hostname\/IP does not match/i.test(
    describeError(error),
  );
}

/** What waiting can mend: connections, leaders that move, coordinators that load. Bugs and refusals are not. */
export function isTransient(error: unknown): boolean {
  if (error instanceof OperatingError) return error.isRetryable;
  if (error instanceof TypeError || error instanceof RangeError || error instanceof SyntaxError) return false;
  if (isDenied(error) || isTlsRefusal(error)) return false;
  const type = protocolType(error);
  return type !== 'OFFSET_OUT_OF_RANGE' && type !== 'UNSUPPORTED_VERSION' && type !== 'INVALID_TOPIC_EXCEPTION';
}

const NO_SASL = 'this listener asks for no user: leave broker.sasl out, or name the one that does';

/** An error of kafkajs as one of ours; errors that are not kafkajs' (bugs, our own) come back as they are. */
export function asOperatingError(error: unknown, where: string): unknown {
  if (error instanceof OperatingError || !(error instanceof Error)) return error;
  if (isDenied(error)) {
    return new OperatingError(`${where}: Kafka refuses: ${error.message}`, {
      code: 'LOG_ACCESS_DENIED',
      hint:
        protocolType(error) === 'ILLEGAL_SASL_STATE'
          ? NO_SASL
          : 'look at broker.sasl, and at the rights of that user on topics and groups that begin with topic_prefix',
      exitCode: EXIT.config,
      cause: error,
    });
  }
  if (isTlsRefusal(error)) {
    return new OperatingError(`${where}: no TLS connection: ${error.message}`, {
      code: 'LOG_TLS',
      hint: 'look at broker.tls: its ca must have signed the certificate, and the listener must be one with TLS',
      exitCode: EXIT.config,
      cause: error,
    });
  }
  if (isUnknownTopic(error)) return unknownTopicError(where, error);
  return isTransient(error) ? unreachableError(where, error) : error;
}

export function unreachableError(where: string, cause: unknown, what = 'no answer from Kafka'): OperatingError {
  return new OperatingError(`${where}: ${what}: ${describeError(cause)}`, {
    code: 'LOG_UNREACHABLE',
    isRetryable: true,
    hint: 'see that the brokers run, and that they are the ones that are configured; asked again, it goes on once they answer',
    // However long it lasts, it is nothing to give up on.
    exitCode: EXIT.unreachable,
    cause,
  });
}

/** A peer sent what cannot be read, or what nobody asked for. `what` names the answer. */
export function badAnswerError(where: string, cause: unknown, what?: string): OperatingError {
  const answer = what === undefined ? '' : ` (${what})`;
  return new OperatingError(`${where} answers as no Kafka does${answer}: ${describeError(cause)}`, {
    code: 'KAFKA_BAD_ANSWER',
    isRetryable: true,
    hint: 'see that this is the address of a broker, and of its right listener, and what stands in between; it is asked again',
    exitCode: EXIT.unreachable,
    cause,
  });
}

/** Looks at an answer that kafkajs has read: what is wrong with it is the broker's. */
export function readAnswer<T>(where: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof RangeError) throw badAnswerError(where, error);
    throw error;
  }
}

/** A number of an answer that is to be an offset. Throws a RangeError, which the connection makes a {@link badAnswerError} of. */
export function checkedOffset(value: unknown, least = 0): number {
  const offset = Number(value);
  if (value === undefined || !Number.isSafeInteger(offset) || offset < least)
    throw new RangeError(`${String(value)} is not an offset`);
  return offset;
}

/** Where an answer says that a broker is. Throws a RangeError. */
export function checkedAddress(address: { readonly host?: string | null; readonly port?: number } | undefined): {
  readonly host: string;
  readonly port: number;
} {
  const { host, port = 0 } = address ?? {};
  if (typeof host !== 'string' || host === '' || !Number.isInteger(port) || port < 1 || port > 65_535)
    throw new RangeError(`${String(host)}:${port} is the address of no broker`);
  return { host, port };
}

export function unknownTopicError(where: string, cause?: unknown): OperatingError {
  return new OperatingError(`Kafka has no partition ${where}`, {
    code: 'LOG_TOPIC_UNKNOWN',
    hint: 'was the topic deleted? `tailrace run` makes the topics of a pipeline, and whoever has read more refuses a new one',
    cause,
  });
}

export function otherLogError(where: string, offset: number, end: number): OperatingError {
  return new OperatingError(`${where}: an append was written at ${offset}, though the log had reached ${end}`, {
    code: 'LOG_FORKED',
    hint: 'was the topic deleted and made anew, or a broker restored from an old disk? bring the old log back, or begin anew with another topic_prefix and an empty data_dir',
    exitCode: EXIT.mismatch,
  });
}

export function closedError(): OperatingError {
  return new OperatingError('the log is closed', { code: 'LOG_CLOSED' });
}

export function tooLargeError(where: string, bytes: number, bytesMax: number): OperatingError {
  return new OperatingError(`${where} takes at most ${bytesMax} bytes at once, this append has ${bytes}`, {
    code: 'LOG_MESSAGE_TOO_LARGE',
    hint: 'raise max.message.bytes of the topic, or start with smaller limits for blocks or epochs',
  });
}

export function tooFewBrokersError(topic: string, replicas: number, hint: string, cause: unknown): OperatingError {
  return new OperatingError(`topic '${topic}' would need ${replicas} brokers, and the cluster has fewer`, {
    code: 'LOG_REPLICATION',
    hint,
    exitCode: EXIT.config,
    cause,
  });
}
