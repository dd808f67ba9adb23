-- The catalog has of targets and devices only what requests are checked with; everything else is in the
-- documents of upstream. Older programs write these columns, and read the defaults.

alter table catalog_targets alter column default_packages set default '{}';
alter table catalog_profiles alter column titles set default '[]';
alter table catalog_profiles alter column device_packages set default '{}';

-- What the leader remembers of its readings of the download servers: validators for conditional requests,
-- so that the next leader need not download everything again. A validator is used only together with the
-- rows of the catalog that it was read with.
create table reading_memories (
    distribution text collate "C" not null references distributions on delete cascade,
    -- What was read: "version <name>" or "feeds <branch> <architecture>".
    scope        text collate "C" not null,
    memory       jsonb not null,
    primary key (distribution, scope)
);

update schema_info set version = 4;
