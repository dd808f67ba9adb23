-- Text is stored without NUL characters, which Postgres cannot hold; the writer replaces them.
-- Rows of one-row tables have the key true.

create table schema_info (
    singleton       boolean primary key default true check (singleton),
    -- Number of the newest migration.
    version    integer not null,
    -- Oldest program, by the number it was made for, that may use this schema.
    min_reader integer not null
);
insert into schema_info (version, min_reader) values (1, 1);

create table leader_epoch (
    singleton  boolean primary key default true check (singleton),
    epoch bigint not null
);
insert into leader_epoch (epoch) values (0);

-- Files of one build key; builds may share them.
create table file_sets (
    build_key      text primary key check (build_key ~ '^[0-9a-f]{64}$'),
    bytes          bigint not null check (bytes >= 0),
    -- Set while retention deletes the objects; nothing refers to them from then on.
    deleting_since timestamptz
);

create table artifacts (
    build_key  text not null references file_sets on delete cascade,
    name       text collate "C" not null,
    size       bigint not null check (size >= 0),
    sha256     text not null check (sha256 ~ '^[0-9a-f]{64}$'),
    object_key text not null,
    primary key (build_key, name)
);

-- Outlives the files: history tells what was in an image.
create table manifests (
    build_key text primary key,
    packages  jsonb not null
);

create table builds (
    uid              text primary key check (length(uid) between 1 and 64),
    request_hash     text not null check (request_hash ~ '^[0-9a-f]{64}$'),
    build_key        text,
    distribution     text not null,
    version          text not null,
    target           text not null,
    profile          text not null,
    version_code     text not null,
    catalog_revision bigint not null,
    -- Canonical form; of a first-boot script only digest and length.
    request          jsonb not null,
    private          boolean not null,
    attempt          integer not null,
    outcome          text not null check (outcome in ('Succeeded', 'Failed', 'Cancelled')),
    reason           text,
    detail           text,
    -- What clients are told of a success besides files and manifest. Not jsonb: that would lose the
    -- order of keys.
    answer           json,
    millis           jsonb not null,
    created_at       timestamptz not null,
    queued_at        timestamptz,
    admitted_at      timestamptz,
    started_at       timestamptz,
    finished_at      timestamptz not null,
    archived_at      timestamptz not null,
    fresh_until      timestamptz not null,
    keep_until       timestamptz not null check (keep_until >= fresh_until),
    bytes            bigint not null,
    last_served      timestamptz,
    log_key          text,
    log_size         bigint,
    log_text_bytes   bigint,
    log_truncated    boolean,
    files_deleted_at timestamptz,
    log_deleted_at   timestamptz,
    epoch            bigint not null,
    check ((outcome = 'Succeeded') = (build_key is not null)),
    check ((outcome = 'Succeeded') = (answer is not null)),
    check ((outcome = 'Succeeded') = (reason is null)),
    check ((log_key is null) = (log_size is null))
);
create index builds_newest_of_hash on builds (request_hash, finished_at desc, archived_at desc);
create index builds_of_files on builds (build_key) where files_deleted_at is null;
create index builds_with_log on builds (keep_until) where log_deleted_at is null;
create index builds_by_time on builds (finished_at desc, uid);

-- Append only.
create table build_events (
    uid     text not null references builds on delete cascade,
    seq     integer not null,
    at      timestamptz not null,
    kind    text not null check (kind in ('Normal', 'Warning')),
    reason  text not null,
    message text not null,
    primary key (uid, seq)
);
create function refuse_change() returns trigger language plpgsql as $$
begin
    raise exception '% is append only', tg_table_name;
end
$$;
create trigger append_only before update on build_events
    for each statement execute function refuse_change();

create table catalog_state (
    singleton     boolean primary key default true check (singleton),
    -- Grows by one with every change of any distribution.
    revision bigint not null
);
insert into catalog_state (revision) values (0);

create table distributions (
    name     text collate "C" primary key,
    revision bigint not null,
    -- Absent after the distribution was removed: its revision goes on when it comes back.
    offer    jsonb,
    -- SHA-256 of everything below, to leave alone what did not change.
    digest   text not null
);

create table catalog_versions (
    distribution text collate "C" not null references distributions on delete cascade,
    name         text collate "C" not null,
    position     integer not null,
    branch       text not null,
    path         text not null,
    snapshot     boolean not null,
    targets      jsonb not null,
    digest       text not null,
    primary key (distribution, name)
);

create table catalog_targets (
    distribution      text collate "C" not null,
    version           text collate "C" not null,
    name              text collate "C" not null,
    arch              text not null,
    version_code      text not null,
    source_date_epoch bigint not null,
    default_packages  text[] not null,
    image_builder     text not null,
    sha256            text not null check (sha256 ~ '^[0-9a-f]{64}$'),
    primary key (distribution, version, name),
    foreign key (distribution, version) references catalog_versions on delete cascade
);

create table catalog_profiles (
    distribution    text collate "C" not null,
    version         text collate "C" not null,
    target          text collate "C" not null,
    position        integer not null,
    id              text not null,
    aliases         text[] not null,
    titles          jsonb not null,
    device_packages text[] not null,
    primary key (distribution, version, target, position),
    foreign key (distribution, version, target) references catalog_targets on delete cascade
);

-- The only table that the API writes to.
create table request_counters (
    id           bigint generated always as identity primary key,
    at           timestamptz not null,
    kind         text not null,
    request_hash text,
    count        integer not null check (count > 0)
);
create index request_counters_by_kind on request_counters (kind, at);
