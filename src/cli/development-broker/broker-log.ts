import { readFile, stat } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { CommandError } from '../command-error.js';
import type { BrokerProcess } from './broker-process.js';

const READY = 'Kafka Server started';
const START_TIMEOUT_MS = 120_000;
const POLL_MS = 50;
const SHOWN_LINES = 8;
/** An error's own line, or one of its causes. */
const COMPLAINT = /\b(ERROR|FATAL)\b|^Caused by|^Exception|^Error|^[\w.]+(Exception|Error):/;

/** The part of a broker's log that is written from now on. */
export interface FollowedLog {
  readonly file: string;
  read(): Promise<string>;
}

export async function followLog(file: string): Promise<FollowedLog> {
  const start = await stat(file).then(
    ({ size }) => size,
    () => 0,
  );
  return { file, read: async () => (await readFile(file)).subarray(start).toString() };
}

/** Waits until the broker says that it serves; SERVER_UNREACHABLE with what its log complains of where it ends or takes too long. */
export async function untilReady(running: BrokerProcess, log: FollowedLog): Promise<void> {
  const deadline = Date.now() + START_TIMEOUT_MS;
  let ended: string | undefined;
  void running.ended.then((how) => (ended = how));
  for (;;) {
    const hasEnded = ended;
    const text = await log.read();
    if (text.includes(READY)) return;
    if (hasEnded !== undefined) throw startError(`it ended ${hasEnded}`, log.file, text);
    if (Date.now() > deadline) {
      await running.kill();
      throw startError('it took too long', log.file, text);
    }
    await delay(POLL_MS);
  }
}

function startError(why: string, logFile: string, text: string): CommandError {
  const message = `Kafka did not start: ${why}. From its log, ${logFile}:\n${complaintsOf(text)}`;
  return new CommandError('SERVER_UNREACHABLE', message);
}

/** Of a log, the first lines that complain, without the stacks; the last lines where none does. */
export function complaintsOf(log: string): string {
  const lines = log.trimEnd().split('\n');
  const complaints = lines.filter((line) => COMPLAINT.test(line)).slice(0, SHOWN_LINES);
  return (complaints.length > 0 ? complaints : lines.slice(-SHOWN_LINES)).join('\n');
}
