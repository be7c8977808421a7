import type { RunLoad } from '../measure/load.js';
import type { Figure } from '../report/figures.js';
import type { World } from '../world/world.js';
import { checkCount, countCall, countOf, draftCalls, emptyCall, type Served, type Target } from './count-calls.js';
import { heat, Loads, timesIn } from './count-loads.js';
import { ratioFigure } from './count-ratios.js';

/** The question whose figures have goals. */
export const MAIN_QUESTION = 'all-3';
const GOAL_LATENCY = 1.3;
const GOAL_RATE = 0.7;
const SCENARIO = 'count';

interface Idle {
  readonly server: Served;
  readonly empty: Target;
  readonly run: RunLoad;
  readonly rounds: number;
  readonly world: World;
}

/** Count of three conditions while nothing changes, against an empty call of the same server, and an empty server. */
export async function measureIdle({
  server,
  empty,
  run,
  rounds,
  world,
}: Idle): Promise<{ figures: Figure[]; emptyMs: number }> {
  const times = timesIn(world);
  const count = countCall(server, MAIN_QUESTION);
  const emptyOfServer = emptyCall(server);
  const expected = countOf(await heat(run, count, times));
  for (const target of [emptyOfServer, empty]) await heat(run, target, times);
  const targets = [
    ['Count', count],
    ['empty call', emptyOfServer],
    ['empty grpc-js server', empty],
  ] as const;
  const loads = await Loads.measure(run, targets, {
    rounds,
    times,
    check(name, answer) {
      if (name === 'Count') checkCount(answer, expected, MAIN_QUESTION);
    },
  });
  const drafts = await Loads.measure(run, [['draft of three atoms, composed anew', draftCalls(server)]], {
    rounds,
    times,
    check: () => undefined,
  });
  return { figures: [...figures(loads), draftFigure(drafts)], emptyMs: loads.of('empty call', 1).p50Ms };
}

type Name = 'Count' | 'empty call' | 'empty grpc-js server';

function figures(loads: Loads<Name>): Figure[] {
  const [count, emptyCallLoad] = [loads.of('Count', 1), loads.of('empty call', 1)];
  const [full, limit] = [loads.of('Count', 64), loads.of('empty grpc-js server', 64)];
  return [
    ...loads.figures(SCENARIO, ['Count', 'empty call', 'empty grpc-js server']),
    ratioFigure(SCENARIO, 'Count / empty call, 1 in flight', count.p50Ms / emptyCallLoad.p50Ms, { most: GOAL_LATENCY }),
    ratioFigure(
      SCENARIO,
      'requests of Count / of the empty grpc-js server, 64 in flight',
      full.callsPerSecond / limit.callsPerSecond,
      { least: GOAL_RATE },
    ),
  ];
}

function draftFigure(drafts: Loads<string>): Figure {
  const what = 'draft of three atoms, composed anew';
  const { p50Ms, p99Ms } = drafts.of(what, 1);
  return { scenario: SCENARIO, what, value: p50Ms, unit: 'ms', p99: p99Ms };
}
