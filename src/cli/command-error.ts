/** What can go wrong on this side of the wire; what the server refuses is a `RollcallError`. */
export type CommandErrorReason =
  | 'USAGE'
  | 'BAD_INPUT'
  | 'FILE'
  | 'SERVER_UNREACHABLE'
  | 'STREAM_DAMAGED'
  | 'DIFFERENCES_FOUND'
  | 'REPLAY_FAILED'
  | 'BACKFILL_FAILED'
  | 'ADOPTION_INCOMPLETE'
  | 'INTERRUPTED';

/** A fault of the command line itself: how it was called, its files, or the way to the server. */
export class CommandError extends Error {
  override readonly name = 'CommandError';
  readonly reason: CommandErrorReason;
  readonly metadata: Readonly<Record<string, string>>;

  constructor(
    reason: CommandErrorReason,
    message: string,
    options: { metadata?: Readonly<Record<string, string>>; cause?: unknown } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.reason = reason;
    this.metadata = options.metadata ?? {};
  }
}

/** A FILE error that says which file and what the system said of it. */
export function fileError(path: string, error: unknown): CommandError {
  const code = error instanceof Error && 'code' in error ? String(error.code) : 'UNKNOWN';
  const said = FILE_PROBLEMS[code] ?? `cannot be used (${code})`;
  return new CommandError('FILE', `${path} ${said}`, { metadata: { file: path }, cause: error });
}

const FILE_PROBLEMS: Readonly<Record<string, string>> = {
  ENOENT: 'does not exist',
  EACCES: 'may not be used by this account',
  EISDIR: 'is a folder',
  ENOTDIR: 'is below something that is not a folder',
  ENOSPC: 'has no room left on its disk',
};
