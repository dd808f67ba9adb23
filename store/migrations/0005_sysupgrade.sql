-- Whether sysupgrade can install an image of a device of the target. Older programs leave it out.
alter table catalog_targets add column sysupgrade boolean;

-- Without what it remembers, the leader reads everything once more, and so fills the column.
delete from reading_memories;

update schema_info set version = 5;
