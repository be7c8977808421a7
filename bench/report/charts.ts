import type { Chart, Named, RowName } from './chart.js';

const SHARES = [0.1, 1, 10, 60, 100];
const BATCHES = [50, 500, 5_000];
const IN_FLIGHT = [1, 16, 64];

/** The charts of BENCHMARKS.md, in their order. The README shows the first two. */
export const CHARTS: readonly Chart[] = [
  {
    kind: 'by-size',
    name: 'count',
    title: 'How many are in a segment of three conditions',
    axis: 'milliseconds, median',
    series: [
      { label: 'SQL over jsonb', role: 'peer', row: ofCount('SQL over jsonb') },
      { label: 'SQL, jsonb, GIN index', role: 'peer', row: ofCount('SQL over jsonb with a GIN index') },
      { label: 'DuckDB in process', role: 'peer', row: ofCount('DuckDB') },
      {
        label: 'SQL, index made for it',
        role: 'peer',
        row: ofCount('SQL over typed columns with an index of its own'),
      },
      { label: 'Rollcall over gRPC', role: 'rollcall', row: ofCount('Count') },
      { label: 'Roaring in process', role: 'limit', row: ofCount('Roaring in process') },
    ],
  },
  {
    kind: 'by-number',
    name: 'stream',
    title: 'All members of a segment, by how many of the identities are in it',
    axis: 'members a second, identifiers only',
    xAxis: '% of the identities that are members',
    isLog: true,
    series: [
      byShare('prepared messages', 'limit', 'prepared messages over grpc-js, client counts bytes'),
      byShare('COPY to stdout', 'limit', 'COPY to stdout'),
      byShare('page queries alone', 'limit', 'page queries alone, one at a time'),
      byShare('Rollcall', 'rollcall', 'StreamMembers, client counts bytes'),
      byShare('SQL cursor behind gRPC', 'peer', 'SQL cursor, generated code, grpc-js; client counts bytes'),
    ],
  },
  {
    kind: 'bars',
    name: 'requests',
    title: 'Count: requests a second of one process',
    axis: 'requests a second, by calls in flight',
    groups: IN_FLIGHT.map((inFlight) => ({
      label: `${inFlight} in flight`,
      bars: [
        bar('Count', 'rollcall', 'count', `Count, requests with ${inFlight} in flight`),
        bar('empty call of the same server', 'peer', 'count', `empty call, requests with ${inFlight} in flight`),
        bar('empty grpc-js server', 'limit', 'count', `empty grpc-js server, requests with ${inFlight} in flight`),
      ],
    })),
  },
  {
    kind: 'bars',
    name: 'apply',
    title: 'Applying changes of 40 atoms, by the size of a batch',
    axis: 'events a second, decoding included',
    groups: BATCHES.map((events) => ({
      label: `batches of ${events.toLocaleString('en')}`,
      bars: [
        bar('Rollcall', 'rollcall', `apply ${events}`, 'through the applier'),
        bar('a jsonb table with a GIN index', 'peer', `apply ${events}`, 'a jsonb table with a GIN index'),
        bar('only writing rows and log', 'limit', `apply ${events}`, 'only writing the rows and the log row'),
      ],
    })),
  },
  {
    kind: 'bars',
    name: 'apply-atoms',
    title: 'Applying changes, by how many atoms are on the same 40 traits',
    axis: 'events a second in batches of 5,000',
    groups: ['EQUAL, IN', 'thresholds'].map((kind) => ({
      label: kind,
      bars: ['40', '400', '4,000'].map((atoms) =>
        bar(`${atoms} atoms`, 'rollcall', `apply 5000 ${kind}`, `${atoms} atoms`),
      ),
    })),
  },
  {
    kind: 'parts',
    name: 'cold-start',
    title: 'From the start of the process to its first Count, 100 atoms',
    axis: 'milliseconds',
    parts: [
      { label: 'starting Node', row: ofColdStart('of it: starting Node') },
      { label: 'loading the service', row: ofColdStart('of it: loading the service') },
      { label: 'database, migrations, listening', row: ofColdStart('of it: database, migrations, listening') },
      { label: 'first Count', row: ofColdStart('of it: the first Count') },
    ],
  },
  {
    kind: 'exponents',
    name: 'growth',
    title: 'How the cost grows',
    axis: 'exponent: 0 does not grow, 1 in proportion',
    byIdentities: [
      bar('SQL over jsonb, by identities', 'peer', 'count all-3', 'SQL over jsonb'),
      bar('Count, by identities', 'rollcall', 'count all-3', 'Count'),
      bar('an applied event, by identities', 'rollcall', 'apply 5000', 'through the applier'),
      bar('a streamed member, by identities', 'rollcall', 'stream 10 %', 'StreamMembers, client counts bytes'),
    ],
    measured: ['atoms', 'segments'].flatMap((by) =>
      ['Count', 'applying 500 changes', 'creating a segment', 'first Count of a process'].map((what) =>
        bar(`${what}, by ${by}`, 'rollcall', `growth with ${by}`, `${what}: exponent`),
      ),
    ),
  },
];

function ofCount(what: string): RowName {
  return { scenario: 'count all-3', what };
}

function ofColdStart(what: string): RowName {
  return { scenario: 'cold start', what };
}

function byShare(
  label: string,
  role: Named['role'],
  what: string,
): Named & { points: readonly { x: number; row: RowName }[] } {
  return { label, role, points: SHARES.map((share) => ({ x: share, row: { scenario: `stream ${share} %`, what } })) };
}

function bar(label: string, role: Named['role'], scenario: string, what: string): Named & { row: RowName } {
  return { label, role, row: { scenario, what } };
}
