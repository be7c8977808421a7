import type { CommittedRevision } from '../indexing/applier.js';
import type { Database } from '../storage/database.js';

/** Tells the other processes on a database of revisions, and hears of theirs: a hint, which may be lost; they also poll. */
export interface RevisionNews {
  tell(revision: CommittedRevision): void;
  listen(onNews: (environmentId: number, revision: number) => void): Promise<void>;
}

const CHANNEL = 'rollcall_revision';

/** `sender` tells this process's own news from that of others. */
export function createRevisionNews(
  database: Database,
  sender: string,
  onError: (error: unknown) => void,
): RevisionNews {
  return {
    tell({ environmentId, revision }) {
      database.sql.notify(CHANNEL, `${sender} ${environmentId} ${revision}`).catch(onError);
    },
    async listen(onNews) {
      const onNotification = (payload: string): void => {
        const [from, environmentId, revision] = payload.split(' ');
        if (from !== sender) onNews(Number(environmentId), Number(revision));
      };
      await database.listen(CHANNEL, onNotification, () => undefined);
    },
  };
}
