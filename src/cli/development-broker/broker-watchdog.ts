/** What the watchdog is told, as JSON in its only argument. */
export interface WatchdogOrder {
  readonly command: string;
  readonly arguments: readonly string[];
  /** In which it works; Java leaves a report there when it crashes. */
  readonly folder: string;
  /** Both outputs of the command are appended to it. */
  readonly logFile: string;
  /** Whose data nobody needs once we are gone. */
  readonly temporaryFolder: string | undefined;
}

/**
 * A Node program, for `--eval`, that runs a command and ends it when we are gone, however we went: its standard input is a pipe
 * from us, which the system closes even after SIGKILL. Each line of that pipe is a signal to send. Its standard output says
 * `started <pid>`, then `ended <how>`.
 */
export const WATCHDOG = `
const { spawn } = require('node:child_process');
const { openSync, rmSync } = require('node:fs');
const order = JSON.parse(process.argv[1]);
const CLEAN_STOP_MS = 10_000;
const log = openSync(order.logFile, 'a');
const child = spawn(order.command, order.arguments, { cwd: order.folder, stdio: ['ignore', log, log], windowsHide: true });
let isAlone = false;
function say(text) {
  process.stdout.write(text + '\\n');
}
function end(how) {
  say('ended ' + how);
  process.stdin.destroy();
  if (isAlone && order.temporaryFolder !== undefined)
    rmSync(order.temporaryFolder, { recursive: true, force: true, maxRetries: 5 });
}
process.stdout.on('error', () => undefined);
child.once('spawn', () => say('started ' + child.pid));
child.once('error', (error) => end(error.message));
child.once('exit', (code, signal) => end(signal === null ? 'with exit code ' + code : 'by ' + signal));
process.stdin.setEncoding('utf8');
process.stdin.on('data', (text) => {
  for (const signal of text.split('\\n')) if (signal !== '') child.kill(signal);
});
process.stdin.on('end', () => {
  isAlone = true;
  child.kill(order.temporaryFolder === undefined ? 'SIGTERM' : 'SIGKILL');
  setTimeout(() => child.kill('SIGKILL'), CLEAN_STOP_MS).unref();
});
`;
