import { once } from 'node:events';
import type { Writable } from 'node:stream';
import type { Json } from './json.js';
import { jsonText } from './json.js';

/** Thrown to a command whose reader has closed the pipe (`| head`): it ends quietly. */
export class OutputClosedError extends Error {
  override readonly name = 'OutputClosedError';
}

/** A stream that a command writes to, with back-pressure. All methods throw `OutputClosedError` once its reader is gone. */
export class Output {
  readonly #stream: Writable;
  #failure: Error | undefined;

  constructor(stream: Writable) {
    this.#stream = stream;
    stream.on('error', (error) => {
      this.#failure = 'code' in error && error.code === 'EPIPE' ? new OutputClosedError() : error;
    });
  }

  /** Resolves when the stream takes more. */
  async write(text: string): Promise<void> {
    this.#check();
    if (this.#stream.write(text)) return;
    await Promise.race([once(this.#stream, 'drain'), once(this.#stream, 'close')]).catch(() => undefined);
    this.#check();
  }

  line(text = ''): Promise<void> {
    return this.write(`${text}\n`);
  }

  /** Writes one JSON document on one line. */
  json(value: Json): Promise<void> {
    return this.line(jsonText(value));
  }

  /** Resolves when all that was written has gone to the system. */
  async flush(): Promise<void> {
    this.#check();
    await new Promise<void>((resolve) => this.#stream.write('', () => resolve()));
    this.#check();
  }

  #check(): void {
    if (this.#failure !== undefined) throw this.#failure;
  }
}
