import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { checkAtRest, checkMoment } from './checks.js';
import { DO } from './faults.js';
import { type Fault, FAULTS, possibleFaults, schedule, type Step } from './schedule.js';
import { createWorld, type World, type WorldOptions } from './world.js';

export interface RunOptions extends WorldOptions {
  /** Faults go on for so long, or to the end of `steps` of them; at rest it takes a little longer. */
  readonly durationMs: number;
  readonly steps?: number;
  /** Those to choose from. */
  readonly faults?: readonly Fault[];
  /** Ends the run after the step under way. */
  readonly signal?: AbortSignal;
}

/** What a run came to. */
export interface Outcome {
  /** None where all was as it should be, at every moment that was looked at. */
  readonly problems: readonly string[];
  readonly messages: number;
  readonly steps: number;
}

const REST_MS = 500;
/** What was let go of in Postgres comes to its end. */
const SETTLE_MS = 300;

/** Runs the world and what befalls it, up to the first problem. */
export async function runChaos(options: RunOptions): Promise<Outcome> {
  const { say, seed, broker, database } = options;
  const faults = possibleFaults(broker, database, options.faults);
  say(`seed ${seed}; what is left of it: ${options.folder}`);
  for (const fault of FAULTS) if (!faults.includes(fault)) say(`left out: ${fault}`);
  const world = await createWorld(options);
  try {
    const { problems, steps } = await runSteps(world, options, faults);
    const messages = [...world.topic.all()].length;
    if (problems.length > 0) await keepTopic(world);
    return { problems, messages, steps };
  } finally {
    await world.close();
  }
}

async function runSteps(
  world: World,
  options: RunOptions,
  faults: readonly Fault[],
): Promise<Omit<Outcome, 'messages'>> {
  const { say, durationMs, steps = Infinity } = options;
  const began = Date.now();
  let done = 0;
  for (const step of schedule(options.seed, faults)) {
    if (done >= steps || Date.now() - began > durationMs) break;
    const at = ((Date.now() - began) / 1_000).toFixed(1);
    say(`${at} s, ${step.number}: ${step.fault}: ${await doStep(world, step)}`);
    done++;
    await sleep(SETTLE_MS);
    const problems = [...world.found, ...(await checkMoment(world))];
    if (options.signal?.aborted === true) return { problems: ['it was interrupted'], steps: done };
    if (problems.length > 0) return { problems: [`in the midst, in step ${step.number}:`, ...problems], steps: done };
    await startServices(world);
    const atRest = step.isCheckpoint ? await rest(world) : [];
    if (atRest.length > 0) return { problems: atRest, steps: done };
  }
  return { problems: await rest(world), steps: done };
}

async function rest(world: World): Promise<string[]> {
  const began = Date.now();
  const problems = await checkAtRest(world);
  if (problems.length > 0) return ['at rest:', ...problems];
  const messages = [...world.topic.all()].length;
  const { size } = world.expected.letters;
  world.options.say(`at rest after ${Date.now() - began} ms: ${messages} messages, ${size} of them dead letters`);
  return [];
}

async function doStep(world: World, step: Step): Promise<string> {
  const victim = world.services[step.victim];
  if (victim === undefined) throw new Error('there is no such service');
  await sleep(step.delayMs);
  return DO[step.fault](world, step, victim);
}

/** Two services run after every fault. */
async function startServices({ services }: World): Promise<void> {
  await Promise.all(services.slice(0, 2).map((service) => service.start()));
  await sleep(REST_MS);
}

/** The topic as it was, beside the services' logs. */
async function keepTopic({ topic, options: { folder } }: World): Promise<void> {
  const lines = [...topic.all()].map(({ partition, offset, key, value, intent }) =>
    JSON.stringify({ partition, offset, key: key?.toString(), value: value?.toString('base64'), intent }),
  );
  await writeFile(join(folder, 'topic.ndjson'), `${lines.join('\n')}\n`);
}
