import { strictEqual } from 'node:assert/strict';
import { create, type DescMethodUnary, fromBinary, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import { z } from 'zod';
import { Health } from '../../src/gen/grpc/health/v1/health_pb.js';
import {
  CountRequestSchema,
  CountResponseSchema,
  MembershipService,
} from '../../src/gen/rollcall/v1/membership_service_pb.js';
import { RuleType } from '../../src/gen/rollcall/v1/segment_pb.js';
import { withHelper } from '../measure/helper-process.js';
import type { Load } from '../measure/load.js';
import { ATOM_CONDITIONS } from '../world/segments.js';
import { ENVIRONMENT } from '../world/world.js';

/** A server in a process of its own. */
export interface Served {
  readonly address: string;
  readonly pid: number;
}

/** What is called: `path` and `requests` of a load, and the process that serves it. */
export interface Target extends Pick<Load, 'address' | 'path' | 'requests'> {
  readonly pid: number;
}

/** How many drafts there are before the first comes again. */
const DRAFTS = 1_000;

/** Count of a stored segment. */
export function countCall({ address, pid }: Served, segment: string): Target {
  const request = countRequest({ environment: ENVIRONMENT, target: { case: 'segment', value: segment } });
  return { address, pid, path: pathOf(MembershipService.method.count), requests: [request] };
}

/** Counts of drafts of three atoms, other ones each time, so that no result is at hand. */
export function draftCalls({ address, pid }: Served): Target {
  const requests = Array.from({ length: DRAFTS }, (_, call) => {
    const size = ATOM_CONDITIONS.length;
    const places = [call, call * 7 + 11, Math.floor(call / size) * 3 + 23];
    const conditions = places.flatMap((place) => ATOM_CONDITIONS[place % size] ?? []);
    const rule = {
      type: RuleType.ALL,
      conditions: conditions.map(({ property, operator, value }) => ({
        property,
        operator,
        operand: { case: 'value', value } as const,
      })),
    };
    return countRequest({ environment: ENVIRONMENT, target: { case: 'draft', value: { rules: [rule] } } });
  });
  return { address, pid, path: pathOf(MembershipService.method.count), requests };
}

/** The empty call of the same server: Check of the standard health service. It takes the way of every call but the metrics, which leave that service out. */
export function emptyCall({ address, pid }: Served): Target {
  const { input } = Health.method.check;
  return { address, pid, path: pathOf(Health.method.check), requests: [toBinary(input, create(input))] };
}

/** Runs `work` with a plain grpc-js server, which does nothing for a call. */
export async function withEmptyServer<Result>(work: (target: Target) => Promise<Result>): Promise<Result> {
  return withHelper(new URL('../peers/empty-server.js', import.meta.url), async (server) => {
    const { address } = z.object({ address: z.string() }).parse(await server.ask({}));
    return work({ address, pid: server.pid, path: '/bench.Empty/Call', requests: [new Uint8Array()] });
  });
}

/** The count in an encoded answer. */
export function countOf(answer: Uint8Array): number {
  return Number(fromBinary(CountResponseSchema, answer).count);
}

/** What a Count answered is what is expected. */
export function checkCount(answer: Uint8Array, expected: number, segment: string): void {
  strictEqual(countOf(answer), expected, `Count of ${segment}`);
}

function countRequest(selector: MessageInitShape<typeof CountRequestSchema>['selector'] & object): Uint8Array {
  return toBinary(CountRequestSchema, create(CountRequestSchema, { selector }));
}

function pathOf({ parent, name }: Pick<DescMethodUnary, 'parent' | 'name'>): string {
  return `/${parent.typeName}/${name}`;
}
