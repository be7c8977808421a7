/** What `identity.key` is: `<environment key>_<identifier>`, or the identity's id. */
export type IdentityKeyMode = 'composite' | 'id';

/** What of an environment may change and changes what its segments mean. */
export interface EnvironmentSettings {
  /** What `$.environment.name` is. */
  readonly name: string;
  readonly identityKeyMode: IdentityKeyMode;
}
