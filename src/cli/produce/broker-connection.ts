import type { KafkaConnection } from '../../indexing/kafka/kafka-client.js';
import { kafkaConnection } from '../../server/kafka-feed.js';
import { loadOptions } from '../../server/options.js';
import { CommandError } from '../command-error.js';
import { serverEnvironment } from '../connect.js';
import type { CommandContext } from '../context.js';

/** How the brokers are reached: flags, else the variables of the service. */
export interface BrokerFlags {
  readonly brokers?: string;
  readonly tls?: true;
  readonly tlsCaFile?: string;
  readonly saslMechanism?: string;
  readonly saslUsername?: string;
  readonly saslPassword?: string;
}

/** Throws USAGE without brokers, INVALID_REQUEST for options that cannot be used. */
export function brokerConnection(context: CommandContext, flags: BrokerFlags): KafkaConnection {
  const options = loadOptions({
    env: serverEnvironment(context),
    flags: {
      kafkaBrokers: flags.brokers,
      kafkaTls: flags.tls,
      kafkaTlsCaFile: flags.tlsCaFile,
      kafkaSaslMechanism: flags.saslMechanism,
      kafkaSaslUsername: flags.saslUsername,
      kafkaSaslPassword: flags.saslPassword,
    },
  });
  const connection = kafkaConnection(options);
  if (connection === undefined)
    throw new CommandError('USAGE', 'give the brokers by --brokers or ROLLCALL_KAFKA_BROKERS');
  return { ...connection, onLog: () => undefined };
}
