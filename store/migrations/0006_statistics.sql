-- Statistics that outlive the history of builds. Written with each archived build, so that no request has
-- to scan the history. Builds with a private first-boot script are not counted.

create table statistics_days (
    -- UTC.
    day          date not null,
    distribution text collate "C" not null,
    version      text collate "C" not null,
    target       text collate "C" not null,
    outcome      text not null check (outcome in ('Succeeded', 'Failed', 'Cancelled')),
    builds       bigint not null check (builds > 0),
    -- From the start of the pod to the end of the build.
    seconds      bigint not null check (seconds >= 0),
    primary key (day, distribution, version, target, outcome)
);

create table statistics_targets (
    target  text collate "C" primary key,
    builds  bigint not null check (builds > 0),
    seconds bigint not null check (seconds >= 0)
);
create index statistics_targets_by_builds on statistics_targets (builds desc, target);

create table statistics_packages (
    -- With a leading minus if the requests leave it out.
    package text collate "C" primary key,
    builds  bigint not null check (builds > 0)
);
create index statistics_packages_by_builds on statistics_packages (builds desc, package);

create table statistics_clients (
    day      date not null,
    -- Name and version of the program, as it says: auc/0.3.2.
    client   text collate "C" not null,
    requests bigint not null check (requests > 0),
    primary key (day, client)
);

create table statistics_total (
    singleton boolean primary key default true check (singleton),
    -- Builds that made images, ever.
    images    bigint not null
);

insert into statistics_days
    select (finished_at at time zone 'utc')::date, distribution, version, target, outcome, count(*),
           coalesce(sum(extract(epoch from finished_at - started_at)::bigint), 0)
    from builds where not private group by 1, 2, 3, 4, 5;
insert into statistics_targets
    select target, sum(builds), sum(seconds) from statistics_days
    where outcome = 'Succeeded' group by target;
insert into statistics_packages
    select package, count(*)
    from builds b, jsonb_array_elements_text(b.request -> 'packages') as package
    where not b.private group by package;
insert into statistics_total (images)
    select coalesce(sum(builds), 0) from statistics_targets;

-- The newest builds that everybody may see.
create index builds_newest_images on builds (archived_at desc)
    where outcome = 'Succeeded' and not private;
create index builds_newest_failures on builds (archived_at desc)
    where outcome = 'Failed' and not private;

-- The program that sent a request, of counters of the kind client.
alter table request_counters add column client text;

update schema_info set version = 6;
