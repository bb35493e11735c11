-- What the matcher found and what people decided. A bank line and a ledger entry are each used at
-- most once; a resolution without a ledger entry says that the bank line needs none.
create table matches (
    id                bigint generated always as identity primary key,
    reconciliation_id bigint not null references reconciliations (id) on delete cascade,
    bank_line_id      bigint not null unique references bank_lines (id) on delete cascade,
    ledger_entry_id   bigint unique references ledger_entries (id) on delete cascade,
    kind              text not null check (kind in ('exact', 'amount_date', 'fuzzy', 'resolved')),
    similarity        real,
    note              text,
    resolved_by       bigint references accounts (id),
    created_at        timestamptz not null default now(),
    constraint matches_found_have_both_sides check (kind = 'resolved' or ledger_entry_id is not null)
);

create index matches_by_reconciliation on matches (reconciliation_id, kind);
