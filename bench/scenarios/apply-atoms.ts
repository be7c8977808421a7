import { deepStrictEqual } from 'node:assert/strict';
import { uniformInt } from 'pure-rand/distribution/uniformInt';
import { type AtomDefinition, atomKey } from '../../src/core/atoms.js';
import type { Operator } from '../../src/core/conditions/operators.js';
import { Applier, type CommittedRevision } from '../../src/indexing/applier.js';
import { createEnvironment, registerAtoms } from '../../src/indexing/catalog-writer.js';
import type { Database } from '../../src/storage/database.js';
import type { Environment } from '../../src/storage/environments.js';
import type { Figure } from '../report/figures.js';
import {
  applyMessages,
  type Batch,
  countFlips,
  drawBatch,
  drawDistinct,
  type NewTraits,
  type Random,
  seeded,
} from './apply-changes.js';
import { type Measured, measureSides, type Side } from './apply-measure.js';
import { walOf } from './apply-wal.js';

const KEYS = 40;
const ATOMS_PER_KEY = [1, 10, 100];
const SIZES = [
  { events: 500, batches: 8 },
  { events: 5_000, batches: 1 },
];
const LARGE = 5_000;
/** Keys that an event sets; each flips one atom, however many there are. */
const SET_KEYS = 3;
const GOAL_SLOWDOWN = 1.5;
const VALUES = 1_000_000;
const NONE = '"none"';
const ORDERINGS: readonly Operator[] = ['GREATER_THAN', 'LESS_THAN', 'GREATER_THAN_INCLUSIVE', 'LESS_THAN_INCLUSIVE'];

/** Atoms of one kind, on every key alike. */
interface AtomKind {
  readonly name: string;
  /** Of the trait `key` of the identity `id`, in SQL. */
  readonly initial: string;
  atom(
    key: number,
    place: number,
    atoms: number,
  ): Pick<Extract<AtomDefinition, { readonly dialect: 'flagsmith' }>, 'operator' | 'operand'>;
  /** Another value, for which one atom of the key flips. */
  next(text: string, atoms: number, random: Random): string;
}

/** A value that one atom names, and one that none does, in turn. */
const EQUALITY: AtomKind = {
  name: 'EQUAL, IN',
  initial: `to_jsonb('none'::text)`,
  atom: (key, place) =>
    key % 2 === 0 ? { operator: 'EQUAL', operand: `v${place}` } : { operator: 'IN', operand: `v${place},w${place}` },
  next: (text, atoms, random) => (text === NONE ? `"v${uniformInt(random, 0, atoms - 1)}"` : NONE),
};

/** Odd numbers and even thresholds, evenly spread: a step as long as they are apart passes one. */
const THRESHOLDS: AtomKind = {
  name: 'thresholds',
  initial: `to_jsonb((id * 7919 + key * 104729) % ${VALUES / 2} * 2 + 1)`,
  atom: (key, place, atoms) => ({
    operator: ORDERINGS[key % ORDERINGS.length] ?? 'GREATER_THAN',
    operand: String((place + 0.5) * (VALUES / atoms)),
  }),
  next: (text, atoms) => {
    const value = Number(text);
    const step = Math.min(VALUES / atoms, VALUES / 2);
    return String(value < VALUES / 2 ? value + step : value - step);
  },
};

interface Population {
  readonly environment: Environment;
  readonly kind: AtomKind;
  readonly atomsPerKey: number;
  readonly identities: number;
}

/** Applying by the number of atoms on the same keys, at the same flips for each event; environments of their own. */
export async function applyByAtoms(copy: Database, identities: number, rounds: number): Promise<Figure[]> {
  const figures: Figure[] = [];
  for (const kind of [EQUALITY, THRESHOLDS]) {
    const populations: Population[] = [];
    for (const atomsPerKey of ATOMS_PER_KEY)
      populations.push(await populate(copy, { kind, atomsPerKey, identities }, populations[0]));
    await copy.sql.unsafe('vacuum (analyze) identity');
    for (const population of populations) await checkFlips(copy, population);
    for (const { events, batches } of SIZES) {
      const sides = populations.map((population) => sideOf(copy, population, events, batches));
      await copy.sql.unsafe('checkpoint');
      figures.push(...figuresOf(`apply ${events} ${kind.name}`, events, await measureSides(sides, rounds)));
    }
    for (const population of populations) figures.push(await walFigure(copy, population));
  }
  return figures;
}

function figuresOf(scenario: string, events: number, measured: readonly Measured[]): Figure[] {
  const rates = measured.map(({ what, rate, cpuSeconds }) => ({
    scenario,
    what,
    value: rate,
    unit: 'events/s',
    cpuSeconds,
  }));
  const cpu = measured.map(({ what, cpuMicrosecondsPerEvent }) => ({
    scenario,
    what: `${what}: CPU of the applier's process`,
    value: cpuMicrosecondsPerEvent,
    unit: 'µs/event',
  }));
  const [few, , many] = measured;
  const slowdown = (few?.rate ?? NaN) / (many?.rate ?? NaN);
  const goal = events < LARGE ? {} : { goal: `< ${GOAL_SLOWDOWN}`, isReached: slowdown < GOAL_SLOWDOWN };
  return [
    ...rates,
    ...cpu,
    { scenario, what: '4,000 atoms: times slower than 40', value: slowdown, unit: '', ...goal },
  ];
}

function nameOfAtoms({ atomsPerKey }: Population): string {
  return `${(atomsPerKey * KEYS).toLocaleString('en')} atoms`;
}

async function walFigure(copy: Database, population: Population): Promise<Figure> {
  const side = sideOf(copy, population, LARGE, 1);
  const [batch] = await side.prepare();
  const { withoutImages } = await walOf(copy, async () => {
    if (batch !== undefined) await side.write(batch);
  });
  return {
    scenario: `apply ${LARGE} ${population.kind.name}`,
    what: `${side.what}: WAL without page images`,
    value: withoutImages / (batch?.rows.length ?? NaN),
    unit: 'B/event',
  };
}

function sideOf(copy: Database, population: Population, events: number, batches: number): Side {
  const applier = new Applier(copy, () => undefined);
  const random = seeded(events);
  const { identities } = population;
  return {
    what: nameOfAtoms(population),
    prepare: async () => {
      const size = Math.min(events, Math.floor(identities / batches));
      const ids = drawDistinct(random, size * batches, identities);
      const drawn: Batch[] = [];
      for (let batch = 0; batch < batches; batch++)
        drawn.push(await draw(copy, population, ids.slice(batch * size, (batch + 1) * size), random));
      return drawn;
    },
    write: (batch) => applyMessages(applier, batch.messages),
  };
}

function draw(copy: Database, { environment, kind, atomsPerKey }: Population, ids: readonly number[], random: Random) {
  const newTraits: NewTraits = (before) => {
    const keys = drawDistinct(random, SET_KEYS, KEYS).map(nameOfKey);
    return new Map(keys.map((key) => [key, kind.next(before.get(key) ?? '', atomsPerKey, random)]));
  };
  return drawBatch(copy, { environment, ids, newTraits }, random);
}

/** Every event flips as many atoms as keys are set, and each comes back to where it was by the events that undo it. */
async function checkFlips(copy: Database, population: Population): Promise<void> {
  const revisions: CommittedRevision[] = [];
  const applier = new Applier(copy, (revision) => revisions.push(revision));
  const batch = await draw(copy, population, drawDistinct(seeded(1), 500, population.identities), seeded(2));
  await applyMessages(applier, batch.messages);
  deepStrictEqual(revisions.map(countFlips), [batch.rows.length * SET_KEYS]);
}

/** An environment whose identities each have every key; a copy of `other`'s where there is one. */
async function populate(
  copy: Database,
  { kind, atomsPerKey, identities }: Omit<Population, 'environment'>,
  other: Population | undefined,
): Promise<Population> {
  const key = `apply ${kind.name} ${atomsPerKey}`;
  const environment = await createEnvironment(
    copy,
    {
      key,
      name: key,
      project: key,
      organisation: 'bench',
      ordinalMode: 'allotted',
      identityKeyMode: 'composite',
    },
    'bench',
  );
  const { sql } = copy;
  const insert = sql`insert into identity (environment_id, id, identifier, traits)`;
  if (other === undefined)
    await sql`
      ${insert} select ${environment.id}, id, 'person-' || id,
        (select jsonb_object_agg('key' || key, ${sql.unsafe(kind.initial)}) from generate_series(1, ${KEYS}) as key)
      from generate_series(1, ${identities}::bigint) as id`;
  else
    await sql`
      ${insert} select ${environment.id}, id, identifier, traits from identity where environment_id = ${other.environment.id} order by id`;
  await sql`update environment_head set next_ordinal = ${identities + 1} where environment_id = ${environment.id}`;
  await registerAtoms(copy, environment, atomsOf(kind, atomsPerKey));
  return { environment, kind, atomsPerKey, identities };
}

function atomsOf(kind: AtomKind, atomsPerKey: number): Map<string, AtomDefinition> {
  const atoms = new Map<string, AtomDefinition>();
  for (let key = 1; key <= KEYS; key++) {
    for (let place = 0; place < atomsPerKey; place++) {
      const own = kind.atom(key, place, atomsPerKey);
      const atom: AtomDefinition = {
        dialect: 'flagsmith',
        kind: 'trait',
        property: nameOfKey(key),
        list: '',
        segmentKey: '',
        ...own,
      };
      atoms.set(atomKey(atom), atom);
    }
  }
  return atoms;
}

function nameOfKey(key: number): string {
  return `key${key}`;
}
