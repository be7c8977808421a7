alter table environment
  add column source text not null default '' check (source in ('', 'flagsmith', 'dynamodb')),
  -- off: by its organisation's gate. loading, failed: never loaded whole. Every change of it takes a catalog revision.
  add column state text not null default 'ready' check (state in ('off', 'loading', 'ready', 'failed')),
  -- Why it is off (`flag`, `denylist`) or failed (an ErrorReason); else ''.
  add column state_reason text not null default '',
  -- Changes were passed over, or what was stored was purged, since it was last loaded whole.
  add column has_gap boolean not null default false,
  -- When the last complete backfill began to read.
  add column loaded_from timestamptz,
  -- The backfill that runs or can be resumed: while it is set, changes leave touches.
  add column backfill_id bigint,
  -- [{name, identityKeyMode}], the newest first: by them segments are served whose atoms for the present ones are being built.
  add column earlier_settings jsonb not null default '[]';

alter table identity
  -- What identity.key is instead of the ordinal, for sources that know another id.
  add column key_override text;

alter table atom
  -- It was ready once, and was turned back to building: what it answered is not answered meanwhile.
  add column is_rebuilt boolean not null default false,
  -- A draft registered it, and no segment has needed it since.
  add column is_draft boolean not null default false,
  -- Since when no segment has needed it; null while one does, and for those of drafts.
  add column unneeded_since timestamptz;

-- The segments that each definition refers to: its parent, in_segment and not_in_segment. None of one that an import disabled.
create table segment_reference (
  project text collate "C" not null,
  key text collate "C" not null,
  version bigint not null,
  referred text collate "C" not null,
  primary key (project, key, version, referred),
  foreign key (project, key, version) references segment_version (project, key, version) on delete cascade
);
create index segment_reference_referred on segment_reference (project, referred);
insert into segment_reference (project, key, version, referred)
select project, key, version, definition ->> 'parent' from segment_version
where definition ->> 'parent' <> '' and not definition ? 'disabledReason'
union
select project, key, version, jsonb_path_query(
  definition, '$.rules.**.conditions[*] ? (@.operator == "in_segment" || @.operator == "not_in_segment").value') #>> '{}'
from segment_version where not definition ? 'disabledReason';

create table organisation (
  key text collate "C" primary key,
  name text not null default '',
  attributes jsonb not null default '{}',
  -- What keeps it off (`flag`, `denylist`); '' while it is on.
  gate text not null default '' check (gate in ('', 'flag', 'denylist')),
  -- Whether its gate was ever decided: until then it is on.
  is_decided boolean not null default false,
  -- Whether its indexes are kept or purged while it is off; '' as configured.
  when_off text not null default '' check (when_off in ('', 'keep', 'purge')),
  gated_at timestamptz
);
create index environment_organisation on environment (organisation) where deleted_at is null;

create table backfill (
  id bigint generated always as identity primary key,
  environment_id bigint not null,
  -- `flagsmith`, `dynamodb` or `file`, and its name for people.
  source text not null,
  source_name text not null,
  state text not null check (state in ('running', 'done', 'failed', 'cancelled')),
  -- Reads are refused until it is complete.
  is_first boolean not null,
  -- What the source no longer has is removed at the end.
  is_sweeping boolean not null,
  base_revision bigint not null,
  identities_per_second integer not null default 0,
  -- Where the next page begins; null at the beginning.
  cursor text,
  has_read_all boolean not null default false,
  identities_read bigint not null default 0,
  identities_changed bigint not null default 0,
  identities_swept bigint not null default 0,
  rows_skipped bigint not null default 0,
  -- Those of them whose identity nobody knows: whatever is missing could be one of them, so nothing is swept.
  rows_unidentified bigint not null default 0,
  position bigint,
  total bigint,
  unit text not null default '' check (unit in ('', 'identities', 'bytes')),
  error_reason text not null default '',
  error_explanation text not null default '',
  requested_by text not null default '',
  resumed integer not null default 0,
  lease_owner text not null default '',
  lease_until timestamptz not null default '-infinity',
  started_at timestamptz not null default now(),
  -- When the process that has the lease took it up, and how far it was then: its rate counts from there.
  taken_up_at timestamptz,
  read_before bigint not null default 0,
  position_before bigint not null default 0,
  updated_at timestamptz not null default now(),
  finished_at timestamptz
) with (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500);
create unique index backfill_active on backfill (environment_id) where state in ('running', 'failed');
create index backfill_environment on backfill (environment_id, id);

-- The ordinals that each page of a sweeping backfill has seen, as a log row encodes them.
create table backfill_page (
  environment_id bigint not null,
  backfill_id bigint not null,
  page bigint not null,
  ordinals bytea not null,
  primary key (environment_id, backfill_id, page)
);
alter table backfill_page alter column ordinals set storage external;

-- The first rows that a backfill could not take.
create table backfill_skipped_row (
  backfill_id bigint not null,
  number integer not null,
  place text not null,
  identifier text not null,
  reason text not null,
  explanation text not null,
  primary key (backfill_id, number)
);

-- What live changes touched since the base revision of a backfill: its scan leaves it alone.
create table backfill_touch (
  environment_id bigint not null,
  backfill_id bigint not null,
  -- As in identity.identifier: a long one by its hash. Where the source gives ids, also a row by the id.
  identifier text collate "C" not null,
  revision bigint not null,
  is_whole boolean not null,
  keys text[] not null,
  primary key (environment_id, backfill_id, identifier)
);

create table audit_entry (
  id bigint generated always as identity primary key,
  at timestamptz not null default clock_timestamp(),
  actor text not null,
  action text not null check (action in ('created', 'updated', 'deleted')),
  subject text not null check (subject in ('segment', 'list', 'environment', 'organisation')),
  project text collate "C" not null default '',
  key text collate "C" not null,
  before jsonb,
  after jsonb,
  note text not null default '',
  -- Of before and after as text: pages are bounded by it.
  bytes integer not null generated always as (coalesce(octet_length(before::text), 0) + coalesce(octet_length(after::text), 0)) stored
);
create index audit_entry_subject on audit_entry (subject, project, key, id);
create index audit_entry_at on audit_entry (at);

-- Bases move with every fold: small rows in roomy pages. Chunks and log rows are large, and all of them are rewritten or removed in time: vacuum must not fall behind.
alter table atom set (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_cost_delay = 0);
alter table atom_chunk set (autovacuum_vacuum_cost_delay = 0);
alter table atom_log set (autovacuum_vacuum_cost_delay = 0);
alter table backfill_touch set (autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_cost_delay = 0);
