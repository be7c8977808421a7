import { z } from 'zod';
import type { Work } from './own-process.js';

const WORKING = z.object({
  work: z.custom<(argument: unknown) => Promise<unknown>>((value) => typeof value === 'function'),
});

/** The process of `inOwnProcess`. */
const [, , module = '', argument = 'null'] = process.argv;
const { work } = WORKING.parse(await import(module));
const before = process.cpuUsage();
const startedAt = performance.now();
const result = await work(JSON.parse(argument));
const ms = performance.now() - startedAt;
const { user, system } = process.cpuUsage(before);
const used: Work = {
  ms,
  cpuSeconds: (user + system) / 1_000_000,
  peakBytes: process.resourceUsage().maxRSS * 1024,
  result: result ?? null,
};
console.log(JSON.stringify(used));
