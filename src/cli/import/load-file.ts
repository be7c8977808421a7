import type { MessageInitShape } from '@bufbuild/protobuf';
import { RollcallError } from '../../core/errors.js';
import {
  type Backfill,
  BadRowPolicy as PolicyMessage,
  ColumnType as TypeMessage,
  FileFormat,
  IndexService,
  type LoadRequestSchema,
} from '../../gen/rollcall/v1/index_service_pb.js';
import type { ColumnType } from '../../sources/files/column-types.js';
import type { RollcallClient } from '../client.js';
import type { BadRowPolicy } from './bad-rows.js';
import type { InputFile, InputFormat } from './input-file.js';
import type { InputOptions } from './input-plan.js';

type LoadRequest = MessageInitShape<typeof LoadRequestSchema>;

/** What is loaded, and how. */
export interface LoadOptions extends InputOptions {
  readonly environment: string;
  readonly format: InputFormat;
  readonly onBadRow: BadRowPolicy;
  /** The file is the whole environment. */
  readonly complete: boolean;
  /** Goes on with a load of this file that failed. */
  readonly resume: boolean;
  /** Unpacked, where that is known. */
  readonly unpackedBytes: number | undefined;
}

/** What a load has done. */
export interface Loaded {
  readonly backfill: Backfill;
  readonly revision: bigint;
}

/** Sends a file as it is; the server reads it. An error of one row names its line in the metadata, and what came before it stays. */
export async function loadFile(
  client: RollcallClient,
  file: InputFile,
  options: LoadOptions,
  onBytes: (bytes: number) => void,
): Promise<Loaded> {
  const { backfill, revision } = await client.callWithStream(
    IndexService.method.load,
    requestsOf(file, options, onBytes),
  );
  if (backfill === undefined) throw new RollcallError('INTERNAL', 'the server does not say what it loaded');
  return { backfill, revision };
}

async function* requestsOf(
  file: InputFile,
  options: LoadOptions,
  onBytes: (bytes: number) => void,
): AsyncGenerator<LoadRequest> {
  yield { part: { case: 'start', value: startOf(file, options) } };
  for await (const value of file.read(onBytes)) yield { part: { case: 'data', value } };
}

function startOf({ name }: InputFile, options: LoadOptions) {
  const { identifierColumn = '', idColumn = '', types = new Map<string, ColumnType>(), unpackedBytes } = options;
  return {
    environment: options.environment,
    fileName: name.slice(-MAX_NAME),
    format: options.format === 'csv' ? FileFormat.CSV : FileFormat.NDJSON,
    identifierColumn,
    idColumn,
    columnTypes: Object.fromEntries([...types].map(([column, type]) => [column, TYPES[type]])),
    badRows: options.onBadRow === 'skip' ? PolicyMessage.SKIP : PolicyMessage.STOP,
    complete: options.complete,
    resume: options.resume,
    ...(unpackedBytes === undefined ? {} : { sizeBytes: BigInt(unpackedBytes) }),
  };
}

const MAX_NAME = 1000;

const TYPES = {
  string: TypeMessage.STRING,
  int: TypeMessage.INT,
  float: TypeMessage.FLOAT,
  bool: TypeMessage.BOOL,
} satisfies Record<ColumnType, TypeMessage>;
