/** A Kafka broker for development and tests. */
export interface Broker {
  /** Where clients begin, as `host:port`. */
  readonly brokers: readonly string[];
  readonly origin: 'environment' | 'testcontainers' | 'local';
  /** Ends what was started for it; a broker of somebody else goes on. */
  stop(): Promise<void>;
}
