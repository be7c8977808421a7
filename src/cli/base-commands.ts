import { Argument, Command, InvalidArgumentError, Option } from '@commander-js/extra-typings';
import type { CommandContext } from './context.js';
import { EXIT_CODES_HELP } from './exit-codes.js';

/** A command with what all have: `--json`, and help that ends with examples and the exit codes. */
export function baseCommand(name: string, examples: readonly string[]) {
  return new Command(name)
    .exitOverride()
    .configureOutput({ outputError: () => undefined })
    .option('--json', 'write JSON: one document, or one a line where there are many')
    .addHelpText('after', helpText(examples));
}

/** A command that may take long: with `--progress`. */
export function longCommand(name: string, examples: readonly string[]) {
  return clientCommand(name, examples)
    .option('--progress', 'show progress on standard error (default: if it is a terminal)')
    .option('--no-progress', 'show none');
}

/** A command that talks to a server, and may change something there. */
export function clientCommand(name: string, examples: readonly string[]) {
  return readingCommand(name, examples).addOption(
    new Option('--actor <name>', 'who is said to do it in the audit trail (default: the user)').env('ROLLCALL_ACTOR'),
  );
}

/** A command that talks to a server, and has an `--actor` of its own or needs none. */
export function readingCommand(name: string, examples: readonly string[]) {
  return baseCommand(name, examples)
    .addOption(
      new Option('--server <host:port>', 'the server to talk to').env('ROLLCALL_SERVER').argParser(parseAddress),
    )
    .option(
      '--data-directory <path>',
      'the data folder of the embedded database (default .rollcall, env ROLLCALL_DATA_DIRECTORY)',
    )
    .option('--timeout <seconds>', 'how long to wait for an answer', parseSeconds, 60);
}

export function environmentOption() {
  return new Option('--environment <key>', 'the environment').env('ROLLCALL_ENVIRONMENT').default('default');
}

/** The environment as an argument, which may be left out. */
export function environmentArgument({ env }: CommandContext) {
  const standard = env['ROLLCALL_ENVIRONMENT'];
  return new Argument('[environment]', 'its key (env ROLLCALL_ENVIRONMENT)').default(
    standard === undefined || standard === '' ? 'default' : standard,
  );
}

export function projectOption() {
  return new Option('--project <key>', 'the project whose segments are meant').default('default');
}

/** For `argParser`: a whole number from `least`. */
export function wholeNumber(least: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (/^[0-9]+$/.test(text) && Number.isSafeInteger(value) && value >= least) return value;
    throw new InvalidArgumentError(`It must be a whole number of at least ${least}.`);
  };
}

/** For `argParser`: an integer of 64 bits. */
export function parseInteger(text: string): bigint {
  if (/^-?[0-9]{1,19}$/.test(text) && BigInt.asIntN(64, BigInt(text)) === BigInt(text)) return BigInt(text);
  throw new InvalidArgumentError('It must be an integer of 64 bits.');
}

/** For `argParser` of an option that may be given several times. */
export function collect(text: string, before: readonly string[] = []): string[] {
  return [...before, text];
}

function parseAddress(text: string): string {
  if (/^\S+:[0-9]{1,5}$/.test(text)) return text;
  throw new InvalidArgumentError('It must be host:port.');
}

function parseSeconds(text: string): number {
  const seconds = Number(text);
  if (text.trim() !== '' && seconds > 0 && seconds <= 86_400) return seconds;
  throw new InvalidArgumentError('It must be a number of seconds above 0, at most 86400.');
}

function helpText(examples: readonly string[]): string {
  const lines = examples.length === 0 ? '' : `\nExamples:\n${examples.map((example) => `  $ ${example}`).join('\n')}\n`;
  return `${lines}\n${EXIT_CODES_HELP}`;
}
