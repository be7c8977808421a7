import { eventOf, type SourceEvent, type SourceIdentity, type SourceTrait } from './source-tables.js';

/** A number below `below`, of the test's own source of chance. */
export type Draw = (below: number) => number;

/** Where the events of the environments' table lie; those of an identity lie in 1 or 2. */
const ENVIRONMENT_PARTITION = 0;
const PARTITIONS = 3;

/** The live identities of an environment at the end: id, identifier and traits. */
export type SourceJoin = readonly {
  readonly id: number;
  readonly identifier: string;
  readonly traits: Record<string, unknown>;
}[];

const IDENTIFIERS = ['ann', 'bob', 'cy'];
const KEYS = ['plan', 'age', 'score'];
const VALUES = [
  { value_type: 'unicode', string_value: 'pro' },
  { value_type: 'unicode', string_value: '' },
  { value_type: 'unicode', string_value: null },
  { value_type: 'int', integer_value: -7 },
  { value_type: 'bool', boolean_value: true },
  { value_type: 'float', float_value: 1.5 },
  { value_type: 'float', float_value: null },
] as const;
const SYSTEM_TRAITS = [null, {}, { plan: 'system' }, { plan: null }, { age: 41, plan: 'system' }, { region: true }];

/** Flagsmith's tables with what happens to them, and the topic that a connector makes of it. */
export class RandomSource {
  readonly #draw: Draw;
  readonly #identities = new Map<number, SourceIdentity>();
  readonly #traits = new Map<number, SourceTrait>();
  readonly #partitions: SourceEvent[][] = Array.from({ length: PARTITIONS }, () => []);
  #isListening = true;
  #lastId = 0;

  constructor(draw: Draw) {
    this.#draw = draw;
  }

  /** Events by partition, in order. */
  get partitions(): readonly (readonly SourceEvent[])[] {
    return this.#partitions;
  }

  /** Until `takeSnapshot` nothing that happens becomes an event. */
  stopListening(): void {
    this.#isListening = false;
  }

  /** One event for each row, in whatever order within a partition. */
  takeSnapshot(): void {
    this.#isListening = true;
    const start = this.#partitions.map((events) => events.length);
    for (const row of this.#identities.values()) this.#emit('environments_identity', 'r', { after: row });
    for (const row of this.#traits.values()) this.#emit('environments_trait', 'r', { after: row });
    for (const [partition, events] of this.#partitions.entries()) {
      const tail = events.splice(start[partition] ?? 0);
      while (tail.length > 0) events.push(...tail.splice(this.#draw(tail.length), 1));
    }
  }

  createEnvironment(id: number, api_key: string): void {
    const after = { id, api_key, name: 'Production', project_id: 1 };
    this.#partitions[ENVIRONMENT_PARTITION]?.push(eventOf('environments_environment', 'c', { after }));
  }

  /** Something that Flagsmith's own constraints allow. */
  step(): void {
    const steps = [
      () => this.#createIdentity(),
      () => this.#changeIdentity({ system_traits: this.#one(SYSTEM_TRAITS) }),
      () => this.#changeIdentity({ identifier: this.#one(IDENTIFIERS) }),
      () => this.#changeIdentity({ environment_id: 1 + this.#draw(2) }),
      () => this.#deleteIdentity(),
      () => this.#createTrait(),
      () => this.#createTrait(),
      () => this.#createTrait(),
      () => this.#changeTrait({}),
      () => this.#changeTrait({ trait_key: this.#one(KEYS) }),
      () => this.#moveTrait(),
      () => this.#deleteTrait(),
      () => this.#sendAgain(),
    ];
    this.#one(steps)();
  }

  joinOf(environmentId: number): SourceJoin {
    return [...this.#identities.values()]
      .filter(({ environment_id }) => environment_id === environmentId)
      .map((row) => ({ id: row.id, identifier: row.identifier, traits: this.#traitsOf(row) }))
      .sort((a, b) => a.id - b.id);
  }

  #traitsOf({ id, system_traits }: SourceIdentity): Record<string, unknown> {
    const own = [...this.#traits.values()].filter(({ identity_id }) => identity_id === id);
    const all = { ...Object.fromEntries(own.map((row) => [row.trait_key, valueOf(row)])), ...system_traits };
    return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== null));
  }

  #createIdentity(): void {
    const environment_id = 1 + this.#draw(2);
    const identifier = this.#one(IDENTIFIERS);
    if (this.#isTaken(environment_id, identifier)) return;
    const system_traits = this.#one(SYSTEM_TRAITS);
    const row = { id: ++this.#lastId, identifier, environment_id, created_date: '2026-01-01T00:00:00Z', system_traits };
    this.#identities.set(row.id, row);
    this.#emit('environments_identity', 'c', { after: row });
  }

  #changeIdentity(change: Partial<SourceIdentity>): void {
    const before = this.#anyOf(this.#identities);
    if (before === undefined) return;
    const after = { ...before, ...change };
    const isSamePlace = after.environment_id === before.environment_id && after.identifier === before.identifier;
    if (!isSamePlace && this.#isTaken(after.environment_id, after.identifier)) return;
    this.#identities.set(after.id, after);
    this.#emit('environments_identity', 'u', { before, after });
  }

  /** The traits go before the identity, or after it. */
  #deleteIdentity(): void {
    const before = this.#anyOf(this.#identities);
    if (before === undefined) return;
    const isFirst = this.#draw(2) === 0;
    const remove = () => {
      this.#identities.delete(before.id);
      this.#emit('environments_identity', 'd', { before });
    };
    if (isFirst) remove();
    for (const trait of [...this.#traits.values()].filter(({ identity_id }) => identity_id === before.id))
      this.#drop(trait);
    if (!isFirst) remove();
  }

  #createTrait(): void {
    const identity_id = this.#anyOf(this.#identities)?.id;
    const trait_key = this.#one(KEYS);
    if (identity_id === undefined || this.#hasTrait(identity_id, trait_key)) return;
    const after = { id: ++this.#lastId, identity_id, trait_key, ...this.#value() };
    this.#traits.set(after.id, after);
    this.#emit('environments_trait', 'c', { after });
  }

  #changeTrait(change: { trait_key?: string }): void {
    const before = this.#anyOf(this.#traits);
    if (before === undefined) return;
    const after = { ...before, ...change, ...this.#value() };
    if (after.trait_key !== before.trait_key && this.#hasTrait(after.identity_id, after.trait_key)) return;
    this.#traits.set(after.id, after);
    this.#emit('environments_trait', 'u', { before, after });
  }

  /** To another identity; as one event where both lie in one partition, else as the connector does it: a delete and a create. */
  #moveTrait(): void {
    const before = this.#anyOf(this.#traits);
    const identity_id = this.#anyOf(this.#identities)?.id;
    if (before === undefined || identity_id === undefined || this.#hasTrait(identity_id, before.trait_key)) return;
    const after = { ...before, identity_id };
    this.#traits.set(after.id, after);
    if (partitionOf(identity_id) === partitionOf(before.identity_id)) {
      this.#emit('environments_trait', 'u', { before, after });
      return;
    }
    this.#emit('environments_trait', 'd', { before });
    this.#emit('environments_trait', 'c', { after });
  }

  #deleteTrait(): void {
    const before = this.#anyOf(this.#traits);
    if (before !== undefined) this.#drop(before);
  }

  #drop(before: SourceTrait): void {
    this.#traits.delete(before.id);
    this.#emit('environments_trait', 'd', { before });
  }

  /** A connector that restarts sends the last events again. */
  #sendAgain(): void {
    for (const events of this.#partitions)
      events.push(...events.slice(events.length - this.#draw(Math.min(6, events.length + 1))));
  }

  #emit(table: 'environments_identity' | 'environments_trait', op: 'c' | 'r' | 'u' | 'd', rows: EventRows): void {
    if (!this.#isListening) return;
    const row = rows.after ?? rows.before;
    const id = row === undefined ? 0 : 'identity_id' in row ? row.identity_id : row.id;
    this.#partitions[partitionOf(id)]?.push(eventOf(table, op, rows, this.#draw(2) === 0));
  }

  #isTaken(environmentId: number, identifier: string): boolean {
    return [...this.#identities.values()].some(
      (row) => row.environment_id === environmentId && row.identifier === identifier,
    );
  }

  #hasTrait(identityId: number, key: string): boolean {
    return [...this.#traits.values()].some((row) => row.identity_id === identityId && row.trait_key === key);
  }

  #value() {
    return { boolean_value: null, integer_value: null, string_value: null, float_value: null, ...this.#one(VALUES) };
  }

  #anyOf<Row>(rows: ReadonlyMap<number, Row>): Row | undefined {
    return [...rows.values()][this.#draw(rows.size)];
  }

  #one<Item>(items: readonly Item[]): Item {
    const item = items[this.#draw(items.length)];
    if (item === undefined) throw new Error('drawn outside of the list');
    return item;
  }
}

interface EventRows {
  readonly before?: SourceIdentity | SourceTrait;
  readonly after?: SourceIdentity | SourceTrait;
}

function partitionOf(identityId: number): number {
  return 1 + (identityId % 2);
}

function valueOf(row: SourceTrait): unknown {
  const values = { int: row.integer_value, unicode: row.string_value, bool: row.boolean_value, float: row.float_value };
  return values[row.value_type];
}
