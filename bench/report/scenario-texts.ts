/** What each scenario is, in BENCHMARKS.md. One without an entry stands under its name. */
export const SCENARIO_TEXTS: Readonly<Record<string, { readonly title: string; readonly text: string }>> = {
  count: {
    title: 'Count',
    text: 'Over gRPC, idle and while changes are applied, against the same question in SQL and in DuckDB; the limit is the bare Roaring operation in process.',
  },
  check: {
    title: 'CheckMembership, Sample, Explain',
    text: 'By the index, and lazily from traits that the call brings along, against flagsmith-nodejs evaluating the same environment.',
  },
  scale: { title: 'All cores of a machine', text: 'Requests a second of one process and of several on one port.' },
  stream: {
    title: 'StreamMembers',
    text: 'By the share of the identities that are members, against the page queries alone, an SQL cursor behind the same kind of server, `COPY`, and the loopback with messages made beforehand. At 0.1 % of 1 M they are 1,000 members, one page query: a call takes as long again before any member is read, which the messages made beforehand show, too.',
  },
  apply: {
    title: 'Applying changes',
    text: 'Batches of distinct identities drawn uniformly, against only writing the rows, and against a jsonb column with a GIN index. What only writes neither looks up the identities nor reads what they were, which is what flips are found from.',
  },
  build: { title: 'Building an atom', text: 'From the stored identities, by how many values the trait has.' },
  import: { title: 'Import from a file', text: 'Through the real path, against `COPY` of the same rows.' },
  load: {
    title: 'Loading a file',
    text: 'Ten traits each, through IndexService.Load into an environment without segments, against `COPY` of the same rows; what is resident at a quarter of the rows shows whether memory grows.',
  },
  fold: { title: 'Folding the log', text: 'Writing many revisions into the chunk rows.' },
  'cold-start': {
    title: 'Cold start',
    text: 'From the start of the process, with the database running, to the answer of its first Count.',
  },
  'catch-up': { title: 'Catch-up of a second replica', text: 'After it was away for a while, against loading anew.' },
  drain: { title: 'Draining a Kafka topic', text: 'The feed as a consumer group, to what the broker gives.' },
  growth: {
    title: 'Growth with atoms and segments',
    text: 'In a small environment of its own, so that what is measured is the catalog and not the identities.',
  },
  simulate: {
    title: 'Past one machine',
    text: 'What 100 M and 870 M identities need. Bitmaps of true size are generated, not identities: what says "measured" was written to a real database by the code that the service uses, read back, and counted by a server in a process of its own; what says "multiplied" is a measured sample times the number of them.',
  },
};
