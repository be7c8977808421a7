import { ok } from 'node:assert/strict';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import {
  CountRequestSchema,
  CountResponseSchema,
  MembershipService,
} from '../../src/gen/rollcall/v1/membership_service_pb.js';
import { type Load, type RunLoad, withLoadClient } from '../measure/load.js';
import { withServer } from '../measure/server-process.js';
import { median } from '../measure/statistics.js';
import type { Figure } from '../report/figures.js';
import { ENVIRONMENT, type World } from '../world/world.js';

const { count } = MembershipService.method;
const PATH = `/${count.parent.typeName}/${count.name}`;
/** Each client has one connection, and a process is given every other one. */
const CLIENTS = 2;
const IN_FLIGHT = 16;
const SEGMENT = 'all-3';
const WARM_UP_MS = 1_000;
const MEASURE_MS = 2_000;
const GOAL = 1.5;

/** Counts per second of one process and of two on one port; the clients need the same cores. */
export async function scaleScenario(world: World, rounds: number): Promise<Figure[]> {
  return withServer(world.url, (one) =>
    withServer(world.url, (two) => withClients(CLIENTS, (clients) => measure(clients, one, two, rounds)), {
      ROLLCALL_PROCESSES: '2',
    }),
  );
}

async function measure(clients: readonly RunLoad[], one: string, two: string, rounds: number): Promise<Figure[]> {
  const selector = { environment: ENVIRONMENT, target: { case: 'segment', value: SEGMENT } } as const;
  const requests = [toBinary(CountRequestSchema, create(CountRequestSchema, { selector }))];
  const ofOne: number[] = [];
  const ofTwo: number[] = [];
  for (let round = 0; round < rounds; round++) {
    ofOne.push(await callsPerSecond(clients, one, requests));
    ofTwo.push(await callsPerSecond(clients, two, requests));
  }
  const factor = median(ofTwo) / median(ofOne);
  const scenario = 'several processes';
  return [
    { scenario, what: 'requests/s of one process', value: median(ofOne), unit: '/s' },
    { scenario, what: 'requests/s of two processes on one port', value: median(ofTwo), unit: '/s' },
    { scenario, what: 'times as many', value: factor, unit: '×', goal: `≥ ${GOAL}`, isReached: factor >= GOAL },
  ];
}

async function callsPerSecond(
  clients: readonly RunLoad[],
  address: string,
  requests: readonly Uint8Array[],
): Promise<number> {
  const load: Load = {
    address,
    path: PATH,
    requests,
    inFlight: IN_FLIGHT,
    warmUpMs: WARM_UP_MS,
    measureMs: MEASURE_MS,
  };
  const loaded = await Promise.all(clients.map((run) => run(load)));
  for (const { answer } of loaded) ok(fromBinary(CountResponseSchema, answer).revision > 0n, 'each process answers');
  return loaded.reduce((sum, client) => sum + client.callsPerSecond, 0);
}

async function withClients<Result>(
  clients: number,
  work: (clients: readonly RunLoad[]) => Promise<Result>,
  started: readonly RunLoad[] = [],
): Promise<Result> {
  if (started.length === clients) return work(started);
  return withLoadClient((run) => withClients(clients, work, [...started, run]));
}
