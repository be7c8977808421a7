/** A message as it lies in a partition. Times are milliseconds since 1970 by the broker; a header given more than once has its last value. */
export interface KafkaMessage {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  readonly timestampMs: number;
  readonly key: Buffer | null;
  /** Null is a tombstone. */
  readonly value: Buffer | null;
  readonly headers: ReadonlyMap<string, string>;
}

type HeaderValue = Buffer | string;

/** A message as the client hands it over. */
export interface FetchedMessage {
  readonly offset: string;
  readonly timestamp: string;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly headers?: Readonly<Record<string, HeaderValue | readonly HeaderValue[] | undefined>>;
}

const NO_HEADERS: ReadonlyMap<string, string> = new Map();

/** The message of a partition that the client fetched. Header values are read as UTF-8. */
export function readMessage(topic: string, partition: number, fetched: FetchedMessage): KafkaMessage {
  return {
    topic,
    partition,
    offset: Number(fetched.offset),
    timestampMs: Number(fetched.timestamp),
    key: fetched.key,
    value: fetched.value,
    headers: readHeaders(fetched.headers),
  };
}

function readHeaders(headers: FetchedMessage['headers']): ReadonlyMap<string, string> {
  if (headers === undefined) return NO_HEADERS;
  let read: Map<string, string> | undefined;
  for (const name in headers) {
    read ??= new Map();
    read.set(name, lastOf(headers[name]).toString());
  }
  return read ?? NO_HEADERS;
}

function lastOf(value: HeaderValue | readonly HeaderValue[] | undefined): HeaderValue {
  if (value === undefined) return '';
  return typeof value === 'string' || Buffer.isBuffer(value) ? value : (value.at(-1) ?? '');
}
