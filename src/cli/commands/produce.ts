import { Option } from '@commander-js/extra-typings';
import { baseCommand, environmentOption } from '../base-commands.js';
import type { CommandContext } from '../context.js';
import { badRowOption, inputFormatOption, modeOption, typesOption } from '../import/column-options.js';
import { VALUE_FORMATS } from '../produce/change-message.js';
import { produceFile } from '../produce/produce-file.js';

const EXAMPLES = [
  'rollcall produce people.csv --brokers localhost:9092',
  'rollcall produce changes.ndjson --mode set-traits --environment staging --format json',
  'zcat people.csv.gz | rollcall produce - --input-format csv --topic identities --brokers kafka-1:9092,kafka-2:9092',
];

const DESCRIPTION = `put the identities of a CSV or NDJSON file on a Kafka topic, one change a row (- is standard input)

The file is read and checked as by \`rollcall import\`. A message has the key <environment>:<identifier>, so that one identity stays \
in one partition, and as its value an IdentityChange of the contract. Each batch is taken by all replicas before the next is \
sent; rows before a failure stay on the topic, and producing the same file again is harmless.

The brokers are those of --brokers or ROLLCALL_KAFKA_BROKERS; the service's other variables for Kafka count here too.`;

export function produceCommand(context: CommandContext) {
  return baseCommand('produce', EXAMPLES)
    .description(DESCRIPTION)
    .summary('put the identities of a file on a Kafka topic')
    .argument('<file>', 'what to send')
    .option('--brokers <host:port,…>', 'the Kafka brokers to begin with (env ROLLCALL_KAFKA_BROKERS)')
    .option('--topic <name>', 'the topic, which must exist', 'rollcall.identity-changes')
    .addOption(environmentOption())
    .addOption(
      new Option('--format <format>', 'what values are written as').choices(VALUE_FORMATS).default('protobuf' as const),
    )
    .addOption(inputFormatOption('--input-format <format>', 'the format of the file (default: by the extension)'))
    .option('--identifier-column <name>', 'where identifiers are (default: identifier, else id)')
    .option('--id-column <name>', 'where the ids are that become ordinals, in an environment whose ordinals are given')
    .addOption(typesOption())
    .addOption(modeOption())
    .addOption(badRowOption())
    .option('--dry-run', 'check the file and say what is in it; send nothing')
    .option('--tls', 'reach the brokers by TLS (env ROLLCALL_KAFKA_TLS)')
    .option(
      '--tls-ca-file <path>',
      "certificates (PEM) to trust instead of the system's (env ROLLCALL_KAFKA_TLS_CA_FILE)",
    )
    .option('--sasl-mechanism <word>', 'plain, scram-sha-256 or scram-sha-512 (env ROLLCALL_KAFKA_SASL_MECHANISM)')
    .option('--sasl-username <text>', 'user name at the brokers (env ROLLCALL_KAFKA_SASL_USERNAME)')
    .option('--sasl-password <text>', 'password at the brokers; better by env ROLLCALL_KAFKA_SASL_PASSWORD')
    .option('--progress', 'show progress on standard error (default: if it is a terminal)')
    .option('--no-progress', 'show none')
    .action((path, options) => produceFile(context, path, options));
}
