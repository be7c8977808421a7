import type { CommittedRevision } from '../../indexing/applier.js';
import { turnOrganisation } from '../../indexing/turn-organisation.js';
import type { Database } from '../../storage/database.js';
import { findOrganisation, type Gate, listOrganisations, type Organisation } from '../../storage/organisations.js';
import type { Logger } from '../logger.js';
import type { Denylist } from './denylist.js';
import type { OrganisationFlag } from './organisation-flag.js';

/** Who is told of what turned. */
export interface GatesListeners {
  readonly logger: Logger;
  readonly onCommitted: (revision: CommittedRevision) => void;
  /** Told of environments in whose places there are others. */
  readonly onPurged: (environmentKey: string) => void;
  readonly onError: (error: unknown) => void;
}

/** How gates are looked at. */
export interface GatesOptions extends GatesListeners {
  readonly flag: OrganisationFlag;
  readonly denylist: Denylist;
  /** What becomes of indexes where organisations do not say. */
  readonly whenOff: 'keep' | 'purge';
  readonly intervalMs: number;
}

const ORGANISATIONS_PER_READ = 1_000;

/**
 * The gates of the organisations: the flag, then the denylist. A process turns a gate where what it finds differs from what it found before, so that two processes of
 * different configurations, as while a new one is rolled out, do not turn a gate against each other; the later word stands.
 */
export class Gates {
  readonly #database: Database;
  readonly #options: GatesOptions;
  readonly #found = new Map<string, Gate>();
  #last: Promise<void> = Promise.resolve();
  #isWaiting = false;
  #canTell = true;
  #timer: NodeJS.Timeout | undefined;
  #isStopped = false;

  constructor(database: Database, options: GatesOptions) {
    this.#database = database;
    this.#options = options;
  }

  /** Looks at every organisation, then again and again. */
  async run(): Promise<void> {
    await this.look();
    this.#schedule();
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    clearTimeout(this.#timer);
    await this.#last;
    await this.#options.flag.close();
  }

  /** Something may have changed: looks soon. */
  nudge(): void {
    if (this.#isWaiting || this.#isStopped) return;
    this.#isWaiting = true;
    this.look().catch(this.#options.onError);
  }

  /** Looks at every organisation, after the looks before. */
  look(): Promise<void> {
    return this.#inTurn(async () => {
      this.#isWaiting = false;
      const denied = await this.#options.denylist();
      let after = '';
      for (;;) {
        const organisations = await listOrganisations(this.#database.sql, after, ORGANISATIONS_PER_READ);
        const gates = await Promise.all(organisations.map((organisation) => this.#gateOf(organisation, denied)));
        for (const [place, organisation] of organisations.entries()) {
          const gate = gates[place];
          if (gate !== undefined && !this.#isStopped) await this.#turnIfNew(organisation, gate);
        }
        const last = organisations.at(-1);
        if (last === undefined || this.#isStopped) return;
        after = last.key;
      }
    });
  }

  /** Looks at one organisation, whether it has environments already or not. */
  lookAt(key: string): Promise<void> {
    return this.#inTurn(async () => {
      const organisation = (await findOrganisation(this.#database.sql, key)) ?? newOrganisation(key);
      await this.#turn(organisation, await this.#gateOf(organisation, await this.#options.denylist()));
    });
  }

  /** Looks at an organisation that was never looked at. */
  async settle(key: string): Promise<void> {
    if ((await findOrganisation(this.#database.sql, key))?.isDecided !== true) await this.lookAt(key);
  }

  #schedule(): void {
    if (this.#isStopped) return;
    this.#timer = setTimeout(() => {
      this.look()
        .catch(this.#options.onError)
        .finally(() => {
          this.#schedule();
        });
    }, this.#options.intervalMs);
  }

  /** What fails of one organisation is tried at the next look, and keeps no other from its turn. */
  async #turnIfNew(organisation: Organisation, gate: Gate): Promise<void> {
    try {
      if (this.#found.get(organisation.key) !== gate || !organisation.isDecided) await this.#turn(organisation, gate);
    } catch (error) {
      this.#options.onError(error);
    }
  }

  /** While the flag's provider cannot tell, the flag is what it was; of an organisation that was never looked at, off. */
  async #gateOf(organisation: Organisation, denied: ReadonlySet<string>): Promise<Gate> {
    const { key, gate, isDecided } = organisation;
    const told = await this.#options.flag.isOn(organisation);
    this.#noteTold(told !== undefined);
    const isOn = told ?? (isDecided && gate !== 'flag');
    if (!isOn) return 'flag';
    return denied.has(key) ? 'denylist' : '';
  }

  #noteTold(canTell: boolean): void {
    if (canTell === this.#canTell) return;
    this.#canTell = canTell;
    const { logger } = this.#options;
    if (canTell) logger.info('the flag provider tells who is let in again');
    else logger.warn('the flag provider cannot tell who is let in: organisations stay as they are, new ones off');
  }

  async #turn({ key }: Organisation, gate: Gate): Promise<void> {
    const { whenOff, logger, onCommitted, onPurged } = this.#options;
    const turned = await turnOrganisation(this.#database, key, gate, whenOff);
    this.#found.set(key, gate);
    if (turned === undefined) return;
    const { before, revisions, purged } = turned;
    purged.forEach(onPurged);
    revisions.forEach(onCommitted);
    const environments = revisions.length;
    if (gate === '') logger.info({ organisation: key, before, environments }, 'an organisation was switched on');
    else
      logger.info({ organisation: key, gate, environments, purged: purged.length }, 'an organisation was switched off');
  }

  #inTurn(work: () => Promise<void>): Promise<void> {
    const turn = this.#last.then(work);
    this.#last = turn.catch(() => undefined);
    return turn;
  }
}

function newOrganisation(key: string): Organisation {
  return { key, name: '', attributes: {}, gate: '', isDecided: false, whenOff: '', gatedAt: null };
}
