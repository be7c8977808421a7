-- How far each partition's messages are applied, per cluster: another cluster's offsets mean nothing here (I7).
create table kafka_offset (
  cluster text collate "C" not null,
  topic text collate "C" not null,
  partition integer not null,
  -- The consumer group that applies it; '' where none does any more: then it has no part in as_of.
  feed text collate "C" not null,
  -- The next message to apply.
  next_offset bigint not null,
  -- What the topic held up to then is applied.
  watermark timestamptz not null default '-infinity',
  -- Why the partition stands still; '' where it does not.
  stopped_reason text not null default '',
  -- The identity of the process that last wrote the row, and when.
  owner text not null default '',
  updated_at timestamptz not null default now(),
  primary key (cluster, topic, partition)
) with (fillfactor = 20, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500);

-- Messages that could not be applied, as they came.
create table dead_letter (
  id bigint generated always as identity primary key,
  cluster text collate "C" not null,
  topic text collate "C" not null,
  partition integer not null,
  message_offset bigint not null,
  message_key bytea,
  message_value bytea,
  message_headers jsonb not null,
  message_at timestamptz not null,
  reason text not null,
  explanation text not null,
  -- Which identity it was about, where that can be told; else ''.
  environment_key text collate "C" not null,
  identifier text collate "C" not null,
  created_at timestamptz not null default now(),
  unique (cluster, topic, partition, message_offset)
);
create index dead_letter_created on dead_letter (created_at);

-- Identities one of whose changes was skipped: what is stored of them may not be what the source has.
create table quarantined_identity (
  environment_id bigint not null,
  -- As in identity.identifier: a long one by its hash.
  identifier text collate "C" not null,
  shown_identifier text collate "C" not null,
  since timestamptz not null default now(),
  primary key (environment_id, identifier)
);

-- Flagsmith's environments as table capture brings them: the source's id and the environment's key here.
create table captured_environment (
  source_id bigint primary key,
  environment_key text collate "C" not null
);

-- Flagsmith's identities as table capture brings them: a trait's row names nothing but the identity's id.
create table captured_identity (
  id bigint primary key,
  environment_key text collate "C" not null,
  -- As in identity.identifier: a long one by its hash.
  identifier text collate "C" not null,
  long_identifier text collate "C",
  system_traits jsonb not null,
  -- Traits that a system trait of the same name hides.
  hidden_traits jsonb not null,
  -- As in the source. Another identity takes an identifier only when the one before has given it up, whatever partition tells of it first.
  unique (environment_key, identifier)
);

-- Captured rows that wait for another row: traits for their identity, identities for their environment or their identifier.
create table waiting_capture (
  cluster text collate "C" not null,
  topic text collate "C" not null,
  partition integer not null,
  message_offset bigint not null,
  identity_id bigint not null,
  -- The source's id of the environment in which an identity's row puts it, and the identifier in stored form; both null for a trait's row.
  environment_id bigint,
  identifier text collate "C",
  message_key bytea,
  message_value bytea,
  message_at timestamptz not null,
  primary key (cluster, topic, partition, identity_id, message_offset)
);
create index waiting_capture_environment on waiting_capture (environment_id) where environment_id is not null;
create index waiting_capture_age on waiting_capture (message_at);
