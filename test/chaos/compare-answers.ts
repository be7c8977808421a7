import { isMember } from '../helpers/oracle.js';
import { viewsOf } from './compare-atoms.js';
import { BASE_SEGMENTS } from './segment-churn.js';
import type { Service } from './service.js';
import type { EnvironmentSnapshot } from './snapshot.js';

/** Where nobody writes: which counts of which services differ from the segments' rules over the identities. */
export async function compareAnswers(services: readonly Service[], snapshot: EnvironmentSnapshot): Promise<string[]> {
  const { environment } = snapshot;
  const views = viewsOf(snapshot);
  const problems: string[] = [];
  for (const key of BASE_SEGMENTS.keys()) {
    const expected = views.filter((view) => isMember(key, view, { environment, definitions: BASE_SEGMENTS })).length;
    for (const { clients, name } of services) {
      if (clients === undefined) continue;
      const { count } = await clients.membership.count({
        selector: { environment: environment.key, target: { case: 'segment', value: key } },
        freshness: { level: { case: 'latest', value: true } },
      });
      if (count !== BigInt(expected))
        problems.push(`${environment.key}: ${name} counts ${count} in ${key}, not ${expected}`);
    }
  }
  return problems;
}
