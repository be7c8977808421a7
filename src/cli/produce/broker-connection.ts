import type { KafkaConnection } from '../../indexing/kafka/kafka-client.js';
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
  if (options.kafkaBrokers === undefined)
    throw new CommandError('USAGE', 'give the brokers by --brokers or ROLLCALL_KAFKA_BROKERS');
  const { kafkaSaslMechanism: mechanism, kafkaSaslUsername: username, kafkaSaslPassword: password } = options;
  const isLogin = mechanism !== undefined && username !== undefined && password !== undefined;
  return {
    brokers: options.kafkaBrokers,
    tls: options.kafkaTls,
    tlsCaFile: options.kafkaTlsCaFile,
    sasl: isLogin ? { mechanism, username, password } : undefined,
    onLog: () => undefined,
  };
}
