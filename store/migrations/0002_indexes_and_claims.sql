-- Indexes that the queries of the programs can use.

-- The newest build of a request is the one that was archived last.
drop index builds_newest_of_hash;
create index builds_newest_of_hash on builds (request_hash, archived_at desc, finished_at desc);
-- No query reads builds by the time they ended.
drop index builds_by_time;
-- What retention looks at each time is a small part of the history.
drop index builds_with_log;
create index builds_held on builds (uid)
    where log_deleted_at is null or (build_key is not null and files_deleted_at is null);
-- Rows of which nothing is left in the store, oldest first.
create index builds_without_objects on builds (keep_until)
    where log_deleted_at is not null and (build_key is null or files_deleted_at is not null);
-- Whether a manifest is still anybody's.
create index builds_of_key on builds (build_key) where build_key is not null;
create index file_sets_deleting on file_sets (build_key) where deleting_since is not null;
create index request_counters_by_time on request_counters (at);

-- A build is about to be archived with these files: until then they are not deleted.
alter table file_sets add column claimed_until timestamptz;

update schema_info set version = 2;
