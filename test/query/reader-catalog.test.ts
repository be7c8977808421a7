import { expect, it } from 'vitest';
import { ReaderCatalog } from '../../src/query/reader-catalog.js';
import type { Environment } from '../../src/storage/environments.js';
import type { SegmentVersion } from '../../src/storage/segments.js';
import { condition, definition } from '../helpers/fixture.js';

const environment: Environment = {
  id: 1,
  key: 'env',
  name: 'Env',
  project: 'project',
  organisation: 'organisation',
  ordinalMode: 'allotted',
  identityKeyMode: 'composite',
  createdAt: new Date(0),
  source: '',
  state: 'ready',
  stateReason: '',
  hasGap: false,
  loadedFrom: null,
  backfillId: null,
  earlierSettings: [],
};

/** Segments each of which has the next as its parent, in two versions. */
function chain(length: number): SegmentVersion[] {
  return Array.from({ length }, (_, place) =>
    [2, 1].map((version) => ({
      key: `segment-${place}`,
      version,
      etag: `${place}-${version}`,
      definition: definition([condition(`p${place}`, 'EQUAL', String(version))], {
        parent: place + 1 < length ? `segment-${place + 1}` : '',
      }),
    })),
  ).flat();
}

it('finds out once why segments of a chain cannot be served, not in every combination of their versions', () => {
  const catalog = new ReaderCatalog(environment, 1, [], chain(40), undefined);
  const startedAt = performance.now();
  for (let asked = 0; asked < 3; asked++) {
    for (const key of catalog.enabledSegments()) {
      let reason = '';
      try {
        catalog.serve(key);
      } catch (error) {
        reason = error instanceof Error && 'reason' in error ? String(error.reason) : String(error);
      }
      expect(reason).toBe('ATOM_BUILDING');
    }
  }
  expect(performance.now() - startedAt).toBeLessThan(10_000);
});
