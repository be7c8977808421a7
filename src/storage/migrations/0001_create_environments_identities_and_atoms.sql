create table environment (
  id bigint generated always as identity primary key,
  key text collate "C" not null,
  name text not null,
  project text collate "C" not null,
  organisation text collate "C" not null,
  ordinal_mode text not null check (ordinal_mode in ('given', 'allotted')),
  identity_key_mode text not null check (identity_key_mode in ('composite', 'id')),
  created_at timestamptz not null default now(),
  deleted_at timestamptz
);
create unique index environment_live_key on environment (key) where deleted_at is null;
create index environment_project on environment (project);

-- The row writers contend on: the clock of its environment. Updated on every commit, so it is kept small and its page roomy.
create table environment_head (
  environment_id bigint primary key references environment (id) on delete cascade,
  revision bigint not null default 0,
  catalog_revision bigint not null default 0,
  committed_at timestamptz not null default now(),
  next_ordinal bigint not null default 1,
  next_atom_id bigint not null default 1
) with (fillfactor = 20, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500);

-- Live identities and, until nothing older needs them, the tombstones of deleted ones (deleted_revision is set).
-- The key includes the identifier, so that pages of identifiers are read from the index alone.
create table identity (
  environment_id bigint not null,
  id bigint not null check (id >= 0),
  identifier text collate "C" not null,
  long_identifier text collate "C",
  traits jsonb not null,
  deleted_revision bigint,
  primary key (environment_id, id) include (identifier)
) with (
  fillfactor = 85, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_insert_scale_factor = 0.02,
  autovacuum_analyze_scale_factor = 0.05, autovacuum_vacuum_cost_delay = 0
);
create unique index identity_live_identifier on identity (environment_id, identifier) where deleted_revision is null;
create index identity_tombstone on identity (environment_id, deleted_revision) where deleted_revision is not null;

create table segment (
  project text collate "C" not null,
  key text collate "C" not null,
  name text not null,
  description text not null,
  version bigint not null,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  primary key (project, key)
);

-- Every definition that some environment may still be serving; the segment's own version is the newest.
create table segment_version (
  project text collate "C" not null,
  key text collate "C" not null,
  version bigint not null,
  etag text not null,
  definition jsonb not null,
  primary key (project, key, version),
  foreign key (project, key) references segment (project, key) on delete cascade
);

-- Operand lists by content: JSON arrays of texts. A name may move to another content; atoms keep the content they were made of.
create table operand_list (
  sha256 bytea primary key,
  count integer not null,
  operands text not null,
  created_at timestamptz not null default now()
);
create table operand_list_name (
  project text collate "C" not null,
  name text collate "C" not null,
  sha256 bytea not null references operand_list (sha256),
  updated_at timestamptz not null default now(),
  primary key (project, name)
);

create table atom (
  environment_id bigint not null,
  id bigint not null,
  key_sha256 bytea not null,
  definition jsonb not null,
  semantics integer not null,
  state text not null check (state in ('building', 'ready')),
  registered_revision bigint not null,
  base_revision bigint not null,
  chunks integer not null,
  scanned_below bigint not null,
  lease_owner text not null default '',
  lease_until timestamptz not null default '-infinity',
  used_at timestamptz not null default now(),
  primary key (environment_id, id),
  unique (environment_id, key_sha256)
);

create table atom_chunk (
  environment_id bigint not null,
  atom_id bigint not null,
  chunk bigint not null,
  revision bigint not null,
  cardinality integer not null,
  crc32c bigint not null,
  bitmap bytea not null,
  primary key (environment_id, atom_id, chunk)
) with (autovacuum_vacuum_scale_factor = 0.05);
alter table atom_chunk alter column bitmap set storage external;

create table atom_log (
  environment_id bigint not null,
  revision bigint not null,
  committed_at timestamptz not null,
  payload bytea not null,
  primary key (environment_id, revision)
) with (autovacuum_vacuum_scale_factor = 0.1);
alter table atom_log alter column payload set storage external;

-- The lowest revision whose members a server is still streaming: tombstones of later revisions keep their identifiers until then.
create table held_revision (
  environment_id bigint not null,
  holder text not null,
  revision bigint not null,
  held_until timestamptz not null,
  primary key (environment_id, holder)
);
