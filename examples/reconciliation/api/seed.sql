-- The demo user of the README: demo@example.com, password "reconcile".
insert into accounts (email, password_hash)
values (
    'demo@example.com',
    '$argon2id$v=19$m=19456,t=2,p=1$Yr7Ji0jSkOQHdRr7UgkwlA$I5DT6WIDtBd8Cft/DxAzOWrRKiGSqft4wGN0iWm2GoY'
)
on conflict (email) do nothing;
