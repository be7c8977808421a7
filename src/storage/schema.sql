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
  is_rebuilt boolean not null default false,
  is_draft boolean not null default false,
  unneeded_since timestamp with time zone,
  constraint atom_pkey PRIMARY KEY (environment_id, id),
  constraint atom_environment_id_key_sha256_key UNIQUE (environment_id, key_sha256),
  constraint atom_state_check CHECK ((state = ANY (ARRAY['building'::text, 'ready'::text])))
) with (fillfactor=50, autovacuum_vacuum_scale_factor=0.05, autovacuum_vacuum_cost_delay=0);

create table atom_chunk (
  environment_id bigint not null,
  atom_id bigint not null,
  chunk bigint not null,
  revision bigint not null,
  cardinality integer not null,
  crc32c bigint not null,
  bitmap bytea storage external not null,
  constraint atom_chunk_pkey PRIMARY KEY (environment_id, atom_id, chunk)
) with (autovacuum_vacuum_scale_factor=0.05, autovacuum_vacuum_cost_delay=0);

create table atom_log (
  environment_id bigint not null,
  revision bigint not null,
  committed_at timestamp with time zone not null,
  payload bytea storage external not null,
  constraint atom_log_pkey PRIMARY KEY (environment_id, revision)
) with (autovacuum_vacuum_scale_factor=0.1, autovacuum_vacuum_cost_delay=0);

create table audit_entry (
  id bigint not null generated always as identity,
  at timestamp with time zone not null default clock_timestamp(),
  actor text not null,
  action text not null,
  subject text not null,
  project text collate "C" not null default ''::text,
  key text collate "C" not null,
  before jsonb,
  after jsonb,
  note text not null default ''::text,
  bytes integer not null generated always as ((COALESCE(octet_length((before)::text), 0) + COALESCE(octet_length((after)::text), 0))) stored,
  constraint audit_entry_pkey PRIMARY KEY (id),
  constraint audit_entry_action_check CHECK ((action = ANY (ARRAY['created'::text, 'updated'::text, 'deleted'::text]))),
  constraint audit_entry_subject_check CHECK ((subject = ANY (ARRAY['segment'::text, 'list'::text, 'environment'::text, 'organisation'::text])))
);
CREATE INDEX audit_entry_at ON public.audit_entry USING btree (at);
CREATE INDEX audit_entry_subject ON public.audit_entry USING btree (subject, project, key, id);

create table backfill (
  id bigint not null generated always as identity,
  environment_id bigint not null,
  source text not null,
  source_name text not null,
  state text not null,
  is_first boolean not null,
  is_sweeping boolean not null,
  base_revision bigint not null,
  identities_per_second integer not null default 0,
  cursor text,
  has_read_all boolean not null default false,
  identities_read bigint not null default 0,
  identities_changed bigint not null default 0,
  identities_swept bigint not null default 0,
  rows_skipped bigint not null default 0,
  rows_unidentified bigint not null default 0,
  "position" bigint,
  total bigint,
  unit text not null default ''::text,
  error_reason text not null default ''::text,
  error_explanation text not null default ''::text,
  requested_by text not null default ''::text,
  resumed integer not null default 0,
  lease_owner text not null default ''::text,
  lease_until timestamp with time zone not null default '-infinity'::timestamp with time zone,
  started_at timestamp with time zone not null default now(),
  taken_up_at timestamp with time zone,
  read_before bigint not null default 0,
  position_before bigint not null default 0,
  updated_at timestamp with time zone not null default now(),
  finished_at timestamp with time zone,
  constraint backfill_pkey PRIMARY KEY (id),
  constraint backfill_state_check CHECK ((state = ANY (ARRAY['running'::text, 'done'::text, 'failed'::text, 'cancelled'::text]))),
  constraint backfill_unit_check CHECK ((unit = ANY (ARRAY[''::text, 'identities'::text, 'bytes'::text])))
) with (fillfactor=50, autovacuum_vacuum_scale_factor=0, autovacuum_vacuum_threshold=500);
CREATE UNIQUE INDEX backfill_active ON public.backfill USING btree (environment_id) WHERE (state = ANY (ARRAY['running'::text, 'failed'::text]));
CREATE INDEX backfill_environment ON public.backfill USING btree (environment_id, id);

create table backfill_page (
  environment_id bigint not null,
  backfill_id bigint not null,
  page bigint not null,
  ordinals bytea storage external not null,
  constraint backfill_page_pkey PRIMARY KEY (environment_id, backfill_id, page)
);

create table backfill_skipped_row (
  backfill_id bigint not null,
  number integer not null,
  place text not null,
  identifier text not null,
  reason text not null,
  explanation text not null,
  constraint backfill_skipped_row_pkey PRIMARY KEY (backfill_id, number)
);

create table backfill_touch (
  environment_id bigint not null,
  backfill_id bigint not null,
  identifier text collate "C" not null,
  revision bigint not null,
  is_whole boolean not null,
  keys text[] not null,
  constraint backfill_touch_pkey PRIMARY KEY (environment_id, backfill_id, identifier)
) with (autovacuum_vacuum_scale_factor=0.05, autovacuum_vacuum_cost_delay=0);

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
  source text not null default ''::text,
  state text not null default 'ready'::text,
  state_reason text not null default ''::text,
  has_gap boolean not null default false,
  loaded_from timestamp with time zone,
  backfill_id bigint,
  earlier_settings jsonb not null default '[]'::jsonb,
  constraint environment_pkey PRIMARY KEY (id),
  constraint environment_identity_key_mode_check CHECK ((identity_key_mode = ANY (ARRAY['composite'::text, 'id'::text]))),
  constraint environment_ordinal_mode_check CHECK ((ordinal_mode = ANY (ARRAY['given'::text, 'allotted'::text]))),
  constraint environment_source_check CHECK ((source = ANY (ARRAY[''::text, 'flagsmith'::text, 'dynamodb'::text]))),
  constraint environment_state_check CHECK ((state = ANY (ARRAY['off'::text, 'loading'::text, 'ready'::text, 'failed'::text])))
);
CREATE UNIQUE INDEX environment_live_key ON public.environment USING btree (key) WHERE (deleted_at IS NULL);
CREATE INDEX environment_organisation ON public.environment USING btree (organisation) WHERE (deleted_at IS NULL);
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
  key_override text,
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

create table organisation (
  key text collate "C" not null,
  name text not null default ''::text,
  attributes jsonb not null default '{}'::jsonb,
  gate text not null default ''::text,
  is_decided boolean not null default false,
  when_off text not null default ''::text,
  gated_at timestamp with time zone,
  constraint organisation_pkey PRIMARY KEY (key),
  constraint organisation_gate_check CHECK ((gate = ANY (ARRAY[''::text, 'flag'::text, 'denylist'::text]))),
  constraint organisation_when_off_check CHECK ((when_off = ANY (ARRAY[''::text, 'keep'::text, 'purge'::text])))
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

create table segment_reference (
  project text collate "C" not null,
  key text collate "C" not null,
  version bigint not null,
  referred text collate "C" not null,
  constraint segment_reference_pkey PRIMARY KEY (project, key, version, referred),
  constraint segment_reference_project_key_version_fkey FOREIGN KEY (project, key, version) REFERENCES segment_version(project, key, version) ON DELETE CASCADE
);
CREATE INDEX segment_reference_referred ON public.segment_reference USING btree (project, referred);

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
