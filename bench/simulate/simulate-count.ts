import { strictEqual } from 'node:assert/strict';
import { CHUNK_SIZE } from '../../src/core/bitmap.js';
import { UNIVERSE_ATOM_ID } from '../../src/core/flips.js';
import { RollcallClient } from '../../src/cli/client.js';
import { MembershipService } from '../../src/gen/rollcall/v1/membership_service_pb.js';
import type { Database } from '../../src/storage/database.js';
import { usageOf } from '../measure/resources.js';
import { withServer } from '../measure/server-process.js';
import { median, percentile, timed } from '../measure/statistics.js';
import type { Figure } from '../report/figures.js';
import { formatCount } from '../report/format-value.js';
import { markAtomsReady, writeAtomChunks } from '../world/ready-atoms.js';
import { chunksOf, countCommon, drawPatterns, type Lay } from './chunk-patterns.js';
import { createSimulated, simulatedConditions } from './simulated-environment.js';

const SCENARIO = 'simulate: Count, measured';
/** The atoms of the segments: a dense one, one in between and a sparse one. */
const LAYS: readonly Lay[] = [
  { name: '50 %', share: 0.5, run: 1 },
  { name: '10 %', share: 0.1, run: 1 },
  { name: '1 %', share: 0.01, run: 1 },
];
const EVERYONE: Lay = { name: 'everyone', share: 1, run: CHUNK_SIZE };
const WARM_CALLS = 500;

/** Count of three whole atoms, and of the universe, of so many identities, by a server in a process of its own. */
export async function simulateCount(database: Database, url: string, identities: number): Promise<Figure[]> {
  const chunks = Math.ceil(identities / CHUNK_SIZE);
  const key = `simulated-${identities}`;
  const conditions = simulatedConditions(LAYS.length);
  const { environment, atomIds } = await createSimulated(database, key, conditions, {
    ALL: conditions,
    ANY: conditions,
    NONE: conditions,
  });
  const patterns = LAYS.map((lay, index) => drawPatterns(lay, identities + index));
  const atoms = [
    { id: UNIVERSE_ATOM_ID, own: drawPatterns(EVERYONE, 0) },
    ...atomIds.map((id, index) => ({ id, own: patterns[index] ?? [] })),
  ];
  const stored = { count: 0, bytes: 0 };
  const writeMs = await timed(async () => {
    for (const { id, own } of atoms) {
      const { count, bytes } = await writeAtomChunks(database, environment, id, chunksOf(own, 0, chunks));
      await markAtomsReady(database, environment, [{ id, chunks: count }]);
      stored.count += count;
      stored.bytes += bytes;
    }
  });
  const of = `${formatCount(identities)}: `;
  const counted = await withServer(url, async (address, pid) =>
    countAll(address, pid, key, countCommon(patterns, chunks), chunks * CHUNK_SIZE),
  );
  return [
    {
      scenario: SCENARIO,
      what: `${of}writing three atoms and the universe`,
      value: writeMs / 1000,
      unit: 's',
      bytes: stored.bytes,
    },
    ...counted.map((figure) => ({ ...figure, what: `${of}${figure.what}` })),
  ];
}

async function countAll(
  address: string,
  pid: number,
  environment: string,
  expected: number,
  everyone: number,
): Promise<Figure[]> {
  const client = new RollcallClient({ address, timeoutMs: 120_000, signal: new AbortController().signal });
  const count = async (segment: string): Promise<number> => {
    const selector = { environment, target: { case: 'segment', value: segment } } as const;
    return Number((await client.call(MembershipService.method.count, { selector })).count);
  };
  try {
    const before = await usageOf(pid);
    const coldMs = await timed(async () =>
      strictEqual(await count('ALL'), expected, 'Count and the generated chunks agree'),
    );
    const loaded = await usageOf(pid);
    let others = 0;
    const countOther = async (segment: string): Promise<number> => (others += await count(segment));
    const anyMs = await timed(() => countOther('ANY'));
    const noneMs = await timed(() => countOther('NONE'));
    strictEqual(others, everyone, 'ANY and NONE are everyone');
    const warmMs: number[] = [];
    for (let call = 0; call < WARM_CALLS; call++) warmMs.push(await timed(() => count('ALL')));
    const figure = { scenario: SCENARIO, unit: 's' };
    return [
      {
        ...figure,
        what: 'first Count of three atoms, loaded from the database',
        value: coldMs / 1000,
        ...(loaded === undefined || before === undefined
          ? {}
          : { cpuSeconds: loaded.cpuSeconds - before.cpuSeconds, peakBytes: loaded.peakBytes }),
      },
      { ...figure, what: 'Count of ANY of them, composed anew', value: anyMs / 1000 },
      { ...figure, what: 'Count of NONE of them, composed anew', value: noneMs / 1000 },
      { ...figure, what: 'Count again', value: median(warmMs), p99: percentile(warmMs, 0.99), unit: 'ms' },
      ...(before === undefined || loaded === undefined
        ? []
        : [
            {
              scenario: SCENARIO,
              what: 'resident memory more than before the first Count',
              value: (loaded.peakBytes - before.peakBytes) / 2 ** 20,
              unit: 'MiB',
            },
          ]),
    ];
  } finally {
    client.close();
  }
}
