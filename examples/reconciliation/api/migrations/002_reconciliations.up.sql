-- A reconciliation is also the queue entry of its own run: `owner` is the instance that works on
-- it and `heartbeat` its last sign of life, so that another instance can take over.
create table reconciliations (
    id               bigint generated always as identity primary key,
    account_id       bigint not null references accounts (id),
    bank_file        text not null,
    ledger_file      text not null,
    status           text not null default 'queued'
                     check (status in ('queued', 'running', 'done', 'failed')),
    error            text,
    matcher          text,
    trace_id         text not null,
    owner            text,
    heartbeat        timestamptz,
    attempts         integer not null default 0,
    bank_lines       integer not null,
    ledger_entries   integer not null,
    exact            integer not null default 0,
    amount_date      integer not null default 0,
    fuzzy            integer not null default 0,
    unmatched_bank   integer not null default 0,
    unmatched_ledger integer not null default 0,
    resolved         integer not null default 0,
    created_at       timestamptz not null default now(),
    finished_at      timestamptz
);

create index reconciliations_by_account on reconciliations (account_id, id desc);
create index reconciliations_unfinished on reconciliations (id)
    where status in ('queued', 'running');

create table bank_lines (
    id                bigint generated always as identity primary key,
    reconciliation_id bigint not null references reconciliations (id) on delete cascade,
    line              integer not null,
    booked_on         date not null,
    cents             bigint not null,
    reference         text not null,
    description       text not null,
    unique (reconciliation_id, line)
);

create table ledger_entries (
    id                bigint generated always as identity primary key,
    reconciliation_id bigint not null references reconciliations (id) on delete cascade,
    line              integer not null,
    booked_on         date not null,
    cents             bigint not null,
    reference         text not null,
    description       text not null,
    unique (reconciliation_id, line)
);
