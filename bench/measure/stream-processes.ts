import { withProgram } from './program.js';
import type { Streamed, StreamQuestion } from './stream-calls.js';

/** Asks for one stream after another, from another process. */
export type AskStream = (question: StreamQuestion) => Promise<Streamed>;

/** Runs `work` with a caller of the server at `address` in a process of its own, so that it shares no thread with what it is measured against. */
export async function withStreamClient<Result>(
  address: string,
  work: (ask: AskStream) => Promise<Result>,
): Promise<Result> {
  const program = new URL('./stream-client.js', import.meta.url);
  return withProgram(program, { arguments: [address] }, ({ writeLine, nextLine }) =>
    work(async (question) => {
      writeLine(JSON.stringify(question));
      return JSON.parse(await nextLine()) as Streamed;
    }),
  );
}

/** Runs `work` with a caller of a peer: a server program of `bench/peers` that writes its address. */
export async function withStreamPeer<Result>(
  peer: 'cursor-server' | 'prepared-server',
  argument: string,
  work: (ask: AskStream) => Promise<Result>,
): Promise<Result> {
  const program = new URL(`../peers/${peer}.js`, import.meta.url);
  return withProgram(program, { arguments: [argument] }, async ({ nextLine }) =>
    withStreamClient(await nextLine(), work),
  );
}
