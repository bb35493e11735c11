create table accounts (
    id            bigint generated always as identity primary key,
    email         text not null,
    password_hash text not null,
    created_at    timestamptz not null default now(),
    constraint accounts_email_is_lowercase check (email = lower(email)),
    constraint accounts_email_is_unique unique (email)
);
