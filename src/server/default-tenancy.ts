/** Where an environment or segment goes that names no project. */
export const DEFAULT_PROJECT = 'default';

/** Where an environment goes that names no organisation. */
export const DEFAULT_ORGANISATION = 'default';
