import { setTimeout as delay } from 'node:timers/promises';
import { RollcallError } from '../core/errors.js';
import { MembershipService } from '../gen/rollcall/v1/membership_service_pb.js';
import type { Segment } from '../gen/rollcall/v1/segment_pb.js';
import { SegmentService } from '../gen/rollcall/v1/segment_service_pb.js';
import type { RollcallClient } from './client.js';
import { CommandError } from './command-error.js';
import type { CommandContext } from './context.js';
import { whenBuilt } from './read-commands.js';
import type { SegmentDefinition } from './segment-definition.js';
import { dialectOf } from './dialects.js';
import { ruleMessages } from './segment-definition.js';

export interface SegmentTarget {
  readonly project: string;
  readonly key: string;
  /** The version to replace; undefined for any, and for a new segment. */
  readonly etag?: string | undefined;
}

/** Creates the segment, or replaces its definition. With an etag it must be there, in that version. */
export async function putSegment(
  client: RollcallClient,
  target: SegmentTarget,
  definition: SegmentDefinition,
): Promise<Segment> {
  const { rules, name = '', description = '', parent = '', enabled } = definition;
  const { project, key, etag = '' } = target;
  const texts = { project, key, name, description, parent, etag, dialect: dialectOf(definition.dialect) };
  const segment = { ...texts, rules: ruleMessages(rules), ...(enabled === undefined ? {} : { enabled }) };
  const update = () => client.call(SegmentService.method.update, { segment });
  const create = () => client.call(SegmentService.method.create, { segment });
  if (etag !== '') return written(await update());
  try {
    return written(await create());
  } catch (error) {
    if (!(error instanceof RollcallError) || error.reason !== 'SEGMENT_EXISTS') throw error;
    return written(await update());
  }
}

interface WaitOptions {
  readonly environment: string;
  readonly timeout: number;
}

const POLL_MS = 100;

/**
 * Resolves when the environment answers the present definition of the segment. `onProgress` is told which share of an atom is built.
 * Throws ATOM_BUILDING after the timeout. Returns false where there is no such environment, so that there is nothing to wait for.
 */
export async function waitTillBuilt(
  context: CommandContext,
  client: RollcallClient,
  segment: string,
  options: WaitOptions,
  onProgress: (share: number) => void,
): Promise<boolean> {
  const giveUpAt = Date.now() + options.timeout * 1000;
  const selector = { environment: options.environment, target: { case: 'segment', value: segment } } as const;
  // What is in memory may not know the new definition yet.
  const freshness = { level: { case: 'latest', value: true } } as const;
  const count = () => client.call(MembershipService.method.count, { selector, freshness });
  try {
    while ((await whenBuilt(context, options, count, onProgress)).pending) {
      if (Date.now() > giveUpAt)
        throw new RollcallError('ATOM_BUILDING', `the atoms of ${segment} are still being built`);
      await delay(POLL_MS, undefined, { signal: context.signal });
    }
    return true;
  } catch (error) {
    if (error instanceof RollcallError && error.reason === 'ENVIRONMENT_NOT_FOUND') return false;
    throw error;
  }
}

function written({ segment }: { readonly segment?: Segment | undefined }): Segment {
  if (segment === undefined) throw new CommandError('STREAM_DAMAGED', 'the server answered without a segment');
  return segment;
}
