-- Packages that builds requested, by day and branch, for the most requested ones of the last weeks. Written with
-- each archived build and deleted after some weeks. Builds with a private first-boot script are not counted.

create table statistics_package_days (
    -- UTC.
    day     date not null,
    -- 24.10 of the version 24.10.7.
    branch  text collate "C" not null,
    package text collate "C" not null,
    builds  bigint not null check (builds > 0),
    primary key (day, branch, package)
);

update schema_info set version = 7;
