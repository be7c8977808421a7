import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

/** Bytes outside of V8's heap, buffers among them, that this process still refers to. */
export function heldBytes(): number {
  collectGarbage();
  return process.memoryUsage().external;
}
