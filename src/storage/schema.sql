-- The schema after all migrations, for reading and reviewing. Generated from the migrations by `npm run generate`; not to be edited.

create table atom (
  environment_id bigint not null,
  id bigint not null,
  key_sha256 bytea not null,
  definition jsonb not null,
  semantics integer not null,
  state text not null,
  registered_revision bigint not null,
  base_revision bigint not null,
  chunks integer not null,
  scanned_below bigint not null,
  lease_owner text not null default ''::text,
  lease_until timestamp with time zone not null default '-infinity'::timestamp with time zone,
  used_at timestamp with time zone not null default now(),
  constraint atom_pkey PRIMARY KEY (environment_id, id),
  constraint atom_environment_id_key_sha256_key UNIQUE (environment_id, key_sha256),
  constraint atom_state_check CHECK ((state = ANY (ARRAY['building'::text, 'ready'::text])))
);

create table atom_chunk (
  environment_id bigint not null,
  atom_id bigint not null,
  chunk bigint not null,
  revision bigint not null,
  cardinality integer not null,
  crc32c bigint not null,
  bitmap bytea storage external not null,
  constraint atom_chunk_pkey PRIMARY KEY (environment_id, atom_id, chunk)
) with (autovacuum_vacuum_scale_factor=0.05);

create table atom_log (
  environment_id bigint not null,
  revision bigint not null,
  committed_at timestamp with time zone not null,
  payload bytea storage external not null,
  constraint atom_log_pkey PRIMARY KEY (environment_id, revision)
) with (autovacuum_vacuum_scale_factor=0.1);

create table captured_environment (
  source_id bigint not null,
  environment_key text collate "C" not null,
  constraint captured_environment_pkey PRIMARY KEY (source_id)
);

create table captured_identity (
  id bigint not null,
  environment_key text collate "C" not null,
  identifier text collate "C" not null,
  long_identifier text collate "C",
  system_traits jsonb not null,
  hidden_traits jsonb not null,
  constraint captured_identity_pkey PRIMARY KEY (id),
  constraint captured_identity_environment_key_identifier_key UNIQUE (environment_key, identifier)
);

create table dead_letter (
  id bigint not null generated always as identity,
  cluster text collate "C" not null,
  topic text collate "C" not null,
  partition integer not null,
  message_offset bigint not null,
  message_key bytea,
  message_value bytea,
  message_headers jsonb not null,
  message_at timestamp with time zone not null,
  reason text not null,
  explanation text not null,
  environment_key text collate "C" not null,
  identifier text collate "C" not null,
  created_at timestamp with time zone not null default now(),
  constraint dead_letter_pkey PRIMARY KEY (id),
  constraint dead_letter_cluster_topic_partition_message_offset_key UNIQUE (cluster, topic, partition, message_offset)
);
CREATE INDEX dead_letter_created ON public.dead_letter USING btree (created_at);

create table environment (
  id bigint not null generated always as identity,
  key text collate "C" not null,
  name text not null,
  project text collate "C" not null,
  organisation text collate "C" not null,
  ordinal_mode text not null,
  identity_key_mode text not null,
  created_at timestamp with time zone not null default now(),
  deleted_at timestamp with time zone,
  constraint environment_pkey PRIMARY KEY (id),
  constraint environment_identity_key_mode_check CHECK ((identity_key_mode = ANY (ARRAY['composite'::text, 'id'::text]))),
  constraint environment_ordinal_mode_check CHECK ((ordinal_mode = ANY (ARRAY['given'::text, 'allotted'::text])))
);
CREATE UNIQUE INDEX environment_live_key ON public.environment USING btree (key) WHERE (deleted_at IS NULL);
CREATE INDEX environment_project ON public.environment USING btree (project);

create table environment_head (
  environment_id bigint not null,
  revision bigint not null default 0,
  catalog_revision bigint not null default 0,
  committed_at timestamp with time zone not null default now(),
  next_ordinal bigint not null default 1,
  next_atom_id bigint not null default 1,
  constraint environment_head_pkey PRIMARY KEY (environment_id),
  constraint environment_head_environment_id_fkey FOREIGN KEY (environment_id) REFERENCES environment(id) ON DELETE CASCADE
) with (fillfactor=20, autovacuum_vacuum_scale_factor=0, autovacuum_vacuum_threshold=500);

create table held_revision (
  environment_id bigint not null,
  holder text not null,
  revision bigint not null,
  held_until timestamp with time zone not null,
  constraint held_revision_pkey PRIMARY KEY (environment_id, holder)
);

create table identity (
  environment_id bigint not null,
  id bigint not null,
  identifier text collate "C" not null,
  long_identifier text collate "C",
  traits jsonb not null,
  deleted_revision bigint,
  constraint identity_pkey PRIMARY KEY (environment_id, id) INCLUDE (identifier),
  constraint identity_id_check CHECK ((id >= 0))
) with (fillfactor=85, autovacuum_vacuum_scale_factor=0.02, autovacuum_vacuum_insert_scale_factor=0.02, autovacuum_analyze_scale_factor=0.05, autovacuum_vacuum_cost_delay=0);
CREATE UNIQUE INDEX identity_live_identifier ON public.identity USING btree (environment_id, identifier) WHERE (deleted_revision IS NULL);
CREATE INDEX identity_tombstone ON public.identity USING btree (environment_id, deleted_revision) WHERE (deleted_revision IS NOT NULL);

create table kafka_offset (
  cluster text collate "C" not null,
  topic text collate "C" not null,
  partition integer not null,
  feed text collate "C" not null,
  next_offset bigint not null,
  watermark timestamp with time zone not null default '-infinity'::timestamp with time zone,
  stopped_reason text not null default ''::text,
  owner text not null default ''::text,
  updated_at timestamp with time zone not null default now(),
  constraint kafka_offset_pkey PRIMARY KEY (cluster, topic, partition)
) with (fillfactor=20, autovacuum_vacuum_scale_factor=0, autovacuum_vacuum_threshold=500);

create table operand_list (
  sha256 bytea not null,
  count integer not null,
  operands text not null,
  created_at timestamp with time zone not null default now(),
  constraint operand_list_pkey PRIMARY KEY (sha256)
);

create table operand_list_name (
  project text collate "C" not null,
  name text collate "C" not null,
  sha256 bytea not null,
  updated_at timestamp with time zone not null default now(),
  constraint operand_list_name_pkey PRIMARY KEY (project, name),
  constraint operand_list_name_sha256_fkey FOREIGN KEY (sha256) REFERENCES operand_list(sha256)
);

create table quarantined_identity (
  environment_id bigint not null,
  identifier text collate "C" not null,
  shown_identifier text collate "C" not null,
  since timestamp with time zone not null default now(),
  constraint quarantined_identity_pkey PRIMARY KEY (environment_id, identifier)
);

create table rollcall_migration (
  name text collate "C" not null,
  sha256 text not null,
  applied_at timestamp with time zone not null default now(),
  constraint rollcall_migration_pkey PRIMARY KEY (name)
);

create table segment (
  project text collate "C" not null,
  key text collate "C" not null,
  name text not null,
  description text not null,
  version bigint not null,
  created_at timestamp with time zone not null default now(),
  updated_at timestamp with time zone not null default now(),
  constraint segment_pkey PRIMARY KEY (project, key)
);

create table segment_version (
  project text collate "C" not null,
  key text collate "C" not null,
  version bigint not null,
  etag text not null,
  definition jsonb not null,
  constraint segment_version_pkey PRIMARY KEY (project, key, version),
  constraint segment_version_project_key_fkey FOREIGN KEY (project, key) REFERENCES segment(project, key) ON DELETE CASCADE
);

create table waiting_capture (
  cluster text collate "C" not null,
  topic text collate "C" not null,
  partition integer not null,
  message_offset bigint not null,
  identity_id bigint not null,
  environment_id bigint,
  identifier text collate "C",
  message_key bytea,
  message_value bytea,
  message_at timestamp with time zone not null,
  constraint waiting_capture_pkey PRIMARY KEY (cluster, topic, partition, identity_id, message_offset)
);
CREATE INDEX waiting_capture_age ON public.waiting_capture USING btree (message_at);
CREATE INDEX waiting_capture_environment ON public.waiting_capture USING btree (environment_id) WHERE (environment_id IS NOT NULL);
