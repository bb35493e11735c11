//! The report that a nightly job prints: one page of counts, from the replica.

use crate::database::{Database, DatabaseError, Freshness};
use crate::metrics::Metrics;

const TOTALS: &str = "
    select count(*),
           count(*) filter (where created_at >= now() - interval '24 hours'),
           count(*) filter (where status in ('queued', 'running')),
           count(*) filter (where status = 'failed'),
           coalesce(sum(bank_lines), 0)::bigint, coalesce(sum(exact), 0)::bigint,
           coalesce(sum(amount_date), 0)::bigint, coalesce(sum(fuzzy), 0)::bigint,
           coalesce(sum(resolved), 0)::bigint, coalesce(sum(unmatched_bank), 0)::bigint,
           coalesce(sum(unmatched_ledger), 0)::bigint,
           to_char(now() at time zone 'utc', 'YYYY-MM-DD HH24:MI')
    from reconciliations";

pub async fn render(database: &Database, metrics: &Metrics) -> Result<String, DatabaseError> {
    let rows = database.read(Freshness::MayLag, TOTALS, &[], metrics).await?;
    let row = rows.first().expect("an aggregate without groups is one row");
    let count = |column: usize| row.get::<_, i64>(column);
    let lines = [
        ("Reconciliations", count(0)),
        ("  in the last 24 hours", count(1)),
        ("  not finished", count(2)),
        ("  failed", count(3)),
        ("Bank lines", count(4)),
        ("  matched by reference", count(5)),
        ("  matched by amount and date", count(6)),
        ("  matched by description", count(7)),
        ("  resolved by hand", count(8)),
        ("  unmatched", count(9)),
        ("Ledger entries unmatched", count(10)),
    ];
    let mut report = format!("Reconciliation report, {} UTC\n\n", row.get::<_, String>(11));
    for (label, number) in lines {
        report += &format!("{label:<32}{number:>12}\n");
    }
    Ok(report)
}
