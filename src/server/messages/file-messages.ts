import { RollcallError } from '../../core/errors.js';
import { ColumnType as TypeMessage, FileFormat, type LoadStart } from '../../gen/rollcall/v1/index_service_pb.js';
import type { ColumnType } from '../../sources/files/column-types.js';
import type { FileLayout } from '../../sources/files/file-source.js';

const TYPES: Readonly<Record<TypeMessage, ColumnType | undefined>> = {
  [TypeMessage.UNSPECIFIED]: undefined,
  [TypeMessage.STRING]: 'string',
  [TypeMessage.INT]: 'int',
  [TypeMessage.FLOAT]: 'float',
  [TypeMessage.BOOL]: 'bool',
};

/** How the file of a call is read. Throws INVALID_REQUEST. */
export function fileLayoutOf({ format, identifierColumn, idColumn, columnTypes }: LoadStart): FileLayout {
  const types = new Map(Object.entries(columnTypes).map(([name, type]) => [name, columnTypeOf(name, type)]));
  if (format === FileFormat.CSV)
    return {
      format: 'csv',
      columns: {
        types,
        ...(identifierColumn === '' ? {} : { identifierColumn }),
        ...(idColumn === '' ? {} : { idColumn }),
      },
    };
  if (types.size > 0)
    throw new RollcallError('INVALID_REQUEST', 'NDJSON says itself what types its values are', {
      metadata: { field: 'column_types' },
    });
  const identifierMember = identifierColumn === '' ? 'identifier' : identifierColumn;
  return { format: 'ndjson', members: { identifierMember, ...(idColumn === '' ? {} : { idMember: idColumn }) } };
}

function columnTypeOf(name: string, type: TypeMessage): ColumnType {
  const known = TYPES[type];
  if (known !== undefined) return known;
  throw new RollcallError('INVALID_REQUEST', `the column ${JSON.stringify(name)} has no type`, {
    metadata: { field: 'column_types' },
  });
}
