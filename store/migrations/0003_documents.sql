-- Documents of upstream: the profiles.json of targets, and package indexes.

create table documents (
    -- SHA-256 of the content before compression.
    digest  text primary key check (digest ~ '^[0-9a-f]{64}$'),
    -- Compressed with zstd.
    content bytea not null,
    -- Bytes before compression.
    size    integer not null check (size >= 0),
    -- When a reading last found it. A document without references is kept for a while, because a
    -- reading writes documents before the catalog that refers to them.
    seen_at timestamptz not null
);
-- The content is already compressed, so Postgres need not try to compress it.
alter table documents alter column content set storage external;

create table target_documents (
    distribution text collate "C" not null references distributions on delete cascade,
    version      text collate "C" not null,
    target       text collate "C" not null,
    profiles     text not null references documents,
    packages     text references documents,
    primary key (distribution, version, target)
);
create index target_documents_profiles on target_documents (profiles);
create index target_documents_packages on target_documents (packages);

-- Feeds belong to a branch: all its versions share them.
create table feed_documents (
    distribution text collate "C" not null references distributions on delete cascade,
    branch       text collate "C" not null,
    arch         text collate "C" not null,
    feed         text collate "C" not null,
    packages     text not null references documents,
    primary key (distribution, branch, arch, feed)
);
create index feed_documents_packages on feed_documents (packages);

-- SHA-256 of a distribution's rows in the two tables above, so that unchanged rows are not written
-- again.
alter table distributions add column documents_digest text not null default '';

update schema_info set version = 3;
