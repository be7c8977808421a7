import type { AuditService } from '../../gen/rollcall/v1/audit_service_pb.js';
import { listAudit } from '../../storage/audit.js';
import { askDatabase, type Database } from '../../storage/database.js';
import { auditEntryMessage, readAuditFilter } from '../messages/audit-messages.js';
import { pageSizeOf, readIdToken, writeIdToken } from '../messages/name-tokens.js';
import type { Handlers } from '../transport/handlers.js';

/** Of the JSON texts in one answer: clients take 4 MiB by default. */
const MAX_PAGE_BYTES = 2 * 1024 * 1024;

/** The handlers of AuditService. */
export function auditHandlers(database: Database): Handlers<typeof AuditService> {
  return {
    async listAuditEntries(request) {
      const page = {
        beforeId: readIdToken(request.pageToken) || Infinity,
        limit: pageSizeOf(request.pageSize),
        maxBytes: MAX_PAGE_BYTES,
      };
      const filter = readAuditFilter(request);
      const { entries, hasMore } = await askDatabase(database, (sql) => listAudit(sql, filter, page));
      return {
        entries: entries.map(auditEntryMessage),
        nextPageToken: writeIdToken(hasMore ? entries.at(-1)?.id : undefined),
      };
    },
  };
}
