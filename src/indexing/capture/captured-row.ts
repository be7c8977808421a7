/** A row of `environments_environment`. */
export interface CapturedEnvironment {
  readonly id: number;
  readonly environmentKey: string;
}

/** A row of `environments_identity`. System traits are JSON texts. */
export interface CapturedIdentity {
  readonly id: number;
  readonly identifier: string;
  /** The source's id. */
  readonly environmentId: number;
  readonly systemTraits: ReadonlyMap<string, string>;
}

/** A row of `environments_trait`. `text` is the value's JSON text; null where the row has no value. */
export interface CapturedTrait {
  readonly identityId: number;
  readonly key: string;
  readonly text: string | null;
}

/** What happened to a row of a table: created (or read) has no `before`, deleted no `after`. */
export type CapturedRow =
  | { readonly table: 'environment'; readonly before: undefined; readonly after: CapturedEnvironment }
  | { readonly table: 'environment'; readonly before: Pick<CapturedEnvironment, 'id'>; readonly after: undefined }
  | RowChange<'identity', CapturedIdentity>
  | RowChange<'trait', CapturedTrait>;

type RowChange<Table, Row> =
  | { readonly table: Table; readonly before: Row | undefined; readonly after: Row }
  | { readonly table: Table; readonly before: Row; readonly after: undefined };
