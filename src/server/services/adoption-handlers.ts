import type { EnvironmentService } from '../../gen/rollcall/v1/environment_service_pb.js';
import type { CommittedRevision } from '../../indexing/applier.js';
import type { Database } from '../../storage/database.js';
import { adoptedMessage } from '../messages/adoption-messages.js';
import { adoptFlagsmith } from '../sources/adopt-flagsmith.js';
import type { ConfiguredSources } from '../sources/configured-sources.js';
import type { Handlers } from '../transport/handlers.js';

/** What adoption needs of the rooms around it. */
export interface AdoptionRooms {
  readonly database: Database;
  readonly sources: Pick<ConfiguredSources, 'openFlagsmith'>;
  readonly onCommitted: (revision: CommittedRevision) => void;
  /** Told that there may be environments to load. */
  readonly onToLoad: () => void;
  /** Looks at the gate of an organisation that was never looked at. */
  readonly settleGate: (organisation: string) => Promise<void>;
}

/** The handler of EnvironmentService that brings over what another system has. */
export function adoptionHandlers({
  database,
  sources,
  onCommitted,
  onToLoad,
  settleGate,
}: AdoptionRooms): Pick<Handlers<typeof EnvironmentService>, 'adoptFlagsmith'> {
  return {
    async *adoptFlagsmith({ project, environment, dryRun }, { actor, signal }) {
      const options = { project, environment, isDryRun: dryRun, actor, signal, onCommitted, settleGate };
      for await (const adopted of adoptFlagsmith(database, sources, options)) {
        if (!dryRun) onToLoad();
        yield adoptedMessage(adopted);
      }
    },
  };
}
