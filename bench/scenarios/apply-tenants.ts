import { strictEqual } from 'node:assert/strict';
import { uniformInt } from 'pure-rand/distribution/uniformInt';
import { type AtomDefinition, atomKey } from '../../src/core/atoms.js';
import { Applier } from '../../src/indexing/applier.js';
import { createEnvironment, registerAtoms } from '../../src/indexing/catalog-writer.js';
import type { Database } from '../../src/storage/database.js';
import type { Environment } from '../../src/storage/environments.js';
import type { Figure } from '../report/figures.js';
import {
  applyMessages,
  type Batch,
  drawBatch,
  drawDistinct,
  type NewTraits,
  type Random,
  seeded,
  shuffled,
} from './apply-changes.js';
import { measureSides, type Side } from './apply-measure.js';

const SMALL_TENANTS = 1_000;
const IDENTITIES_OF_SMALL = 100;
const IDENTITIES_OF_GIANT = 100_000;
const EVENTS = 5_000;
const PROJECT = 'apply tenants';
const LEVELS = 10;

interface Tenants {
  readonly giant: { readonly environment: Environment; readonly identities: number };
  readonly small: readonly Environment[];
}

/** Batches of one giant tenant, and such of which half are of many small ones: what a topic of all tenants brings. */
export async function applyToTenants(copy: Database, identities: number, rounds: number): Promise<Figure[]> {
  const tenants = await createTenants(copy, identities);
  const random = seeded(5);
  const applier = new Applier(copy, () => undefined);
  const side = (what: string, ofSmall: number): Side => ({
    what,
    prepare: async () => [await drawEvents(copy, tenants, ofSmall, random)],
    write: (batch) => applyMessages(applier, batch.messages),
  });
  const scenario = `apply ${EVENTS} tenants`;
  const [one, many] = await measureSides(
    [side('of one tenant', 0), side('half of them of 1,000 small tenants', 0.5)],
    rounds,
  );
  const slowdown = (one?.rate ?? NaN) / (many?.rate ?? NaN);
  return [
    ...[one, many].flatMap((measured) =>
      measured === undefined
        ? []
        : [{ scenario, what: measured.what, value: measured.rate, unit: 'events/s', cpuSeconds: measured.cpuSeconds }],
    ),
    { scenario, what: '1,000 small tenants: times slower than one', value: slowdown, unit: '' },
  ];
}

async function drawEvents(copy: Database, { giant, small }: Tenants, share: number, random: Random): Promise<Batch> {
  const size = Math.min(EVENTS, giant.identities);
  const ofSmall = Math.min(Math.floor(size * share), (small.length * IDENTITIES_OF_SMALL) / 2);
  const batches = [
    await drawBatch(
      copy,
      { environment: giant.environment, ids: drawDistinct(random, size - ofSmall, giant.identities), newTraits },
      random,
    ),
  ];
  const places = drawDistinct(random, ofSmall, small.length * IDENTITIES_OF_SMALL).map((place) => place - 1);
  for (const [index, environment] of small.entries()) {
    const ids = places
      .filter((place) => Math.floor(place / IDENTITIES_OF_SMALL) === index)
      .map((place) => (place % IDENTITIES_OF_SMALL) + 1);
    if (ids.length > 0) batches.push(await drawBatch(copy, { environment, ids, newTraits }, random));
  }
  const rows = batches.flatMap((batch) => batch.rows);
  strictEqual(rows.length, size);
  return {
    messages: shuffled(
      batches.flatMap((batch) => batch.messages),
      random,
    ),
    rows,
    patches: [],
    sets: [],
  };
}

const newTraits: NewTraits = (before, random) => {
  const level = uniformInt(random, 0, LEVELS - 1);
  return new Map([['level', String(String(level) === before.get('level') ? (level + 1) % LEVELS : level)]]);
};

async function createTenants(copy: Database, identities: number): Promise<Tenants> {
  const small: Environment[] = [];
  for (let place = 0; place < Math.min(SMALL_TENANTS, Math.floor(identities / IDENTITIES_OF_SMALL)); place++)
    small.push(await createTenant(copy, `small tenant ${place}`, IDENTITIES_OF_SMALL));
  const ofGiant = Math.min(identities, IDENTITIES_OF_GIANT);
  const giant = { environment: await createTenant(copy, 'giant tenant', ofGiant), identities: ofGiant };
  await copy.sql.unsafe('vacuum (analyze) identity');
  return { giant, small };
}

async function createTenant(copy: Database, key: string, identities: number): Promise<Environment> {
  const environment = await createEnvironment(
    copy,
    {
      key,
      name: key,
      project: PROJECT,
      organisation: 'bench',
      ordinalMode: 'allotted',
      identityKeyMode: 'composite',
    },
    'bench',
  );
  await copy.sql`
    insert into identity (environment_id, id, identifier, traits)
    select ${environment.id}, id, 'person-' || id, jsonb_build_object('level', id % ${LEVELS}) from generate_series(1, ${identities}::bigint) as id`;
  await copy.sql`update environment_head set next_ordinal = ${identities + 1} where environment_id = ${environment.id}`;
  await registerAtoms(copy, environment, ATOMS);
  return environment;
}

const ATOMS: ReadonlyMap<string, AtomDefinition> = new Map(
  Array.from({ length: LEVELS }, (_, level) => {
    const atom: AtomDefinition = {
      dialect: 'flagsmith',
      kind: 'trait',
      property: 'level',
      operator: 'EQUAL',
      operand: String(level),
      list: '',
      segmentKey: '',
    };
    return [atomKey(atom), atom] as const;
  }),
);
