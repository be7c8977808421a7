import type { DeadLetter } from '../../storage/dead-letters.js';
import type { Place } from '../../storage/kafka-offsets.js';
import type { KafkaMessage } from '../kafka/message.js';

/** The message that a dead letter was. */
export function messageOf(letter: DeadLetter): KafkaMessage {
  const { topic, partition, offset, timestampMs, key, value, headers } = letter;
  return { topic, partition, offset, timestampMs, key, value, headers: new Map(Object.entries(headers)) };
}

export function placeOf({ cluster, topic, partition }: DeadLetter): Place {
  return { cluster, topic, partition };
}
