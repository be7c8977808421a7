import type { NewDeadLetter } from '../../storage/dead-letters.js';
import type { FeedLog } from './feed-options.js';
import { explainKafkaError, type KafkaClient, type Producer } from './kafka-client.js';

/** Letters that wait to be sent; beyond, they are only in the database. */
const MAX_WAITING = 10_000;

/**
 * Sends dead letters to a topic after their commit, as they came, with where they came from and why they are dead in headers that begin with `rollcall-`. Best
 * effort: the database holds them all, the topic those that a broker took before the process ended, some perhaps twice.
 */
export class DeadLetterSender {
  readonly #topic: string;
  readonly #log: FeedLog;
  readonly #producer: Producer;
  #connected: Promise<void> | undefined;
  #sending: Promise<void> = Promise.resolve();
  #waiting = 0;

  constructor(client: KafkaClient, topic: string, log: FeedLog) {
    this.#topic = topic;
    this.#log = log;
    this.#producer = client.producer();
  }

  /** Sends letters behind those before them; a failure is logged. */
  send(letters: readonly NewDeadLetter[]): void {
    if (this.#waiting + letters.length > MAX_WAITING) {
      this.#log(
        'warn',
        { topic: this.#topic, count: letters.length },
        'too many dead letters wait for their topic: these are left out',
      );
      return;
    }
    this.#waiting += letters.length;
    this.#sending = this.#sending.then(async () => {
      try {
        await this.#sendNow(letters);
      } catch (error) {
        this.#log(
          'warn',
          { topic: this.#topic, count: letters.length, reason: explainKafkaError(error) },
          'dead letters could not be sent to their topic; the database has them',
        );
      } finally {
        this.#waiting -= letters.length;
      }
    });
  }

  /** Sends what waits, then disconnects. */
  async stop(): Promise<void> {
    await this.#sending;
    if (this.#connected !== undefined) await this.#producer.disconnect();
  }

  async #sendNow(letters: readonly NewDeadLetter[]): Promise<void> {
    this.#connected ??= this.#producer.connect();
    await this.#connected.catch((error: unknown) => {
      this.#connected = undefined;
      throw error;
    });
    for (const letter of letters) await this.#producer.send({ topic: this.#topic, messages: [messageOf(letter)] });
  }
}

function messageOf({ key, value, headers, ...letter }: NewDeadLetter) {
  return {
    key,
    value,
    headers: {
      ...headers,
      'rollcall-cluster': letter.cluster,
      'rollcall-topic': letter.topic,
      'rollcall-partition': String(letter.partition),
      'rollcall-offset': String(letter.offset),
      'rollcall-reason': letter.reason,
      'rollcall-explanation': letter.explanation,
    },
  };
}
