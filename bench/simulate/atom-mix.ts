import type { Lay } from './chunk-patterns.js';

const RUN = 1_000;

/** Some of the atoms of an environment, which lie alike. */
export interface AtomsAlike extends Lay {
  readonly atoms: number;
}

/** 100 atoms: many that few identities are in, few that most are in, a quarter of them of identities that came together. */
export const ATOM_MIX: readonly AtomsAlike[] = [
  { name: '0.01 %', share: 0.0001, run: 1, atoms: 10 },
  { name: '0.1 %', share: 0.001, run: 1, atoms: 15 },
  { name: '1 %', share: 0.01, run: 1, atoms: 20 },
  { name: '10 %', share: 0.1, run: 1, atoms: 15 },
  { name: '50 %', share: 0.5, run: 1, atoms: 10 },
  { name: '90 %', share: 0.9, run: 1, atoms: 5 },
  { name: '1 % in runs', share: 0.01, run: RUN, atoms: 10 },
  { name: '10 % in runs', share: 0.1, run: RUN, atoms: 10 },
  { name: '50 % in runs', share: 0.5, run: RUN, atoms: 5 },
];

export const ATOMS = ATOM_MIX.reduce((sum, { atoms }) => sum + atoms, 0);
