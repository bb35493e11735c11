//! Reconciliations: see what matched, decide the rest by hand.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Query, State};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use time::Date;
use tokio_postgres::{Row, Transaction};

use super::auth::Caller;
use crate::App;
use crate::database::{DatabaseError, Freshness};
use crate::problem::{Checked, CheckedJson, Problem};
use crate::statement::amount;

const PAGE_SIZE: i64 = 50;
const NOTE_LIMIT: usize = 1000;

const COLUMNS: &str = "id, bank_file, ledger_file, status, error, matcher, bank_lines,
    ledger_entries, exact, amount_date, fuzzy, unmatched_bank, unmatched_ledger, resolved,
    to_char(created_at at time zone 'utc', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"'),
    to_char(finished_at at time zone 'utc', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')";

#[derive(Serialize)]
pub struct Summary {
    id: i64,
    bank_file: String,
    ledger_file: String,
    pub status: String,
    error: Option<String>,
    matcher: Option<String>,
    bank_lines: i32,
    ledger_entries: i32,
    exact: i32,
    amount_date: i32,
    fuzzy: i32,
    unmatched_bank: i32,
    unmatched_ledger: i32,
    resolved: i32,
    created_at: String,
    finished_at: Option<String>,
}

#[derive(Deserialize)]
pub struct ListQuery {
    page: Option<i64>,
    /// The caller has just written and wants to see it.
    fresh: Option<bool>,
}

#[derive(Deserialize)]
pub struct LinesQuery {
    state: LineState,
    page: Option<i64>,
    fresh: Option<bool>,
    /// A bank line; ledger entries then come in the order of their likeness to it.
    near: Option<i64>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LineState {
    Matched,
    Unmatched,
    Resolved,
}

#[derive(Deserialize)]
pub struct Resolution {
    bank_line_id: i64,
    ledger_entry_id: Option<i64>,
    #[serde(default)]
    note: String,
}

impl Summary {
    fn from_row(row: &Row) -> Self {
        Self {
            id: row.get(0),
            bank_file: row.get(1),
            ledger_file: row.get(2),
            status: row.get(3),
            error: row.get(4),
            matcher: row.get(5),
            bank_lines: row.get(6),
            ledger_entries: row.get(7),
            exact: row.get(8),
            amount_date: row.get(9),
            fuzzy: row.get(10),
            unmatched_bank: row.get(11),
            unmatched_ledger: row.get(12),
            resolved: row.get(13),
            created_at: row.get(14),
            finished_at: row.get(15),
        }
    }

    pub fn is_finished(&self) -> bool {
        self.status == "done" || self.status == "failed"
    }
}

pub async fn list(
    State(app): State<Arc<App>>,
    caller: Caller,
    Checked(Query(query)): Checked<Query<ListQuery>>,
) -> Result<Json<Value>, Problem> {
    let page = page(query.page)?;
    let sql = format!(
        "select {COLUMNS} from reconciliations where account_id = $1
         order by id desc limit $2 offset $3"
    );
    // One more than a page tells whether there is another, without counting all.
    let (limit, offset) = (PAGE_SIZE + 1, (page - 1) * PAGE_SIZE);
    let freshness = freshness(query.fresh);
    let parameters: [&(dyn tokio_postgres::types::ToSql + Sync); 3] =
        [&caller.account, &limit, &offset];
    let rows = app.database.read(freshness, &sql, &parameters, &app.metrics).await?;
    let has_more = PAGE_SIZE < rows.len() as i64;
    let items: Vec<Summary> = rows.iter().take(PAGE_SIZE as usize).map(Summary::from_row).collect();
    Ok(Json(json!({ "page": page, "has_more": has_more, "items": items })))
}

pub async fn show(
    State(app): State<Arc<App>>,
    caller: Caller,
    Checked(Path(id)): Checked<Path<i64>>,
    Checked(Query(query)): Checked<Query<ListQuery>>,
) -> Result<Json<Summary>, Problem> {
    Ok(Json(find(&app, caller.account, id, freshness(query.fresh)).await?))
}

/// One reconciliation of an account. What is not there yet, or not finished yet, on the replica is
/// looked up on the primary: it may have been written a moment ago.
pub async fn find(
    app: &App,
    account: i64,
    id: i64,
    freshness: Freshness,
) -> Result<Summary, Problem> {
    let sql = format!("select {COLUMNS} from reconciliations where id = $1 and account_id = $2");
    let mut rows = app.database.read(freshness, &sql, &[&id, &account], &app.metrics).await?;
    let settled = rows.first().map(Summary::from_row).filter(Summary::is_finished);
    if settled.is_none() && freshness == Freshness::MayLag {
        let fresh = Freshness::ReadsOwnWrite;
        rows = app.database.read(fresh, &sql, &[&id, &account], &app.metrics).await?;
    }
    rows.first()
        .map(Summary::from_row)
        .ok_or_else(|| Problem::not_found("there is no such reconciliation"))
}

pub async fn lines(
    State(app): State<Arc<App>>,
    caller: Caller,
    Checked(Path(id)): Checked<Path<i64>>,
    Checked(Query(query)): Checked<Query<LinesQuery>>,
) -> Result<Json<Value>, Problem> {
    let page = page(query.page)?;
    let freshness = freshness(query.fresh);
    let summary = find(&app, caller.account, id, freshness).await?;
    let offset = (page - 1) * PAGE_SIZE;
    let read = |sql: String, near: Option<i64>| {
        let app = app.clone();
        async move {
            let database = &app.database;
            match near {
                None => {
                    let parameters: [&(dyn tokio_postgres::types::ToSql + Sync); 3] =
                        [&id, &PAGE_SIZE, &offset];
                    database.read(freshness, &sql, &parameters, &app.metrics).await
                }
                Some(near) => {
                    let parameters: [&(dyn tokio_postgres::types::ToSql + Sync); 4] =
                        [&id, &PAGE_SIZE, &offset, &near];
                    database.read(freshness, &sql, &parameters, &app.metrics).await
                }
            }
        }
    };
    let (total, pairs, bank, ledger) = match query.state {
        LineState::Unmatched => {
            let bank = read(unmatched_sql("bank_lines", "bank_line_id", false), None).await?;
            let ledger_sql =
                unmatched_sql("ledger_entries", "ledger_entry_id", query.near.is_some());
            let ledger = read(ledger_sql, query.near).await?;
            (summary.unmatched_bank.max(summary.unmatched_ledger), Vec::new(), bank, ledger)
        }
        LineState::Matched => {
            let total = summary.exact + summary.amount_date + summary.fuzzy;
            (total, read(pairs_sql("m.kind <> 'resolved'"), None).await?, Vec::new(), Vec::new())
        }
        LineState::Resolved => {
            let pairs = read(pairs_sql("m.kind = 'resolved'"), None).await?;
            (summary.resolved, pairs, Vec::new(), Vec::new())
        }
    };
    Ok(Json(json!({
        "page": page,
        "pages": (i64::from(total) + PAGE_SIZE - 1) / PAGE_SIZE,
        "pairs": pairs.iter().map(pair).collect::<Vec<_>>(),
        "bank": bank.iter().map(|row| entry(row, 0)).collect::<Vec<_>>(),
        "ledger": ledger.iter().map(|row| entry(row, 0)).collect::<Vec<_>>(),
    })))
}

/// Decides an unmatched bank line: it belongs to a ledger entry, or to none.
pub async fn resolve(
    State(app): State<Arc<App>>,
    caller: Caller,
    Checked(Path(id)): Checked<Path<i64>>,
    CheckedJson(resolution): CheckedJson<Resolution>,
) -> Result<Json<Summary>, Problem> {
    let note = resolution.note.trim();
    if NOTE_LIMIT < note.chars().count() || note.contains('\0') {
        return Err(Problem::bad_request(format!("a note has at most {NOTE_LIMIT} characters")));
    }
    if resolution.ledger_entry_id.is_none() && note.is_empty() {
        return Err(Problem::bad_request("without a ledger entry, a note must say why"));
    }
    let mut client = app.database.primary().await?;
    let transaction = client.transaction().await?;
    // The lock makes the counters right when two people resolve at once.
    let sql = "select status from reconciliations where id = $1 and account_id = $2 for update";
    let row = transaction.query_opt(sql, &[&id, &caller.account]).await?;
    let row = row.ok_or_else(|| Problem::not_found("there is no such reconciliation"))?;
    if row.get::<_, &str>(0) != "done" {
        return Err(Problem::conflict("the reconciliation is not done"));
    }
    expect_line(&transaction, "bank_lines", id, resolution.bank_line_id).await?;
    if let Some(entry) = resolution.ledger_entry_id {
        expect_line(&transaction, "ledger_entries", id, entry).await?;
    }
    let inserted = transaction
        .execute(
            "insert into matches
                 (reconciliation_id, bank_line_id, ledger_entry_id, kind, note, resolved_by)
             values ($1, $2, $3, 'resolved', $4, $5)",
            &[&id, &resolution.bank_line_id, &resolution.ledger_entry_id, &note, &caller.account],
        )
        .await
        .map_err(DatabaseError::from);
    match inserted {
        Err(error) if error.is_duplicate() => {
            return Err(Problem::conflict("one of the two is matched already"));
        }
        result => result?,
    };
    let used = i32::from(resolution.ledger_entry_id.is_some());
    let sql = format!(
        "update reconciliations
         set resolved = resolved + 1, unmatched_bank = unmatched_bank - 1,
             unmatched_ledger = unmatched_ledger - $2
         where id = $1 returning {COLUMNS}"
    );
    let row = transaction.query_one(&sql, &[&id, &used]).await?;
    transaction.commit().await?;
    app.metrics.matches.with_label_values(&["resolved"]).inc();
    Ok(Json(Summary::from_row(&row)))
}

async fn expect_line(
    transaction: &Transaction<'_>,
    table: &str,
    id: i64,
    line: i64,
) -> Result<(), Problem> {
    let sql = format!("select 1 from {table} where id = $1 and reconciliation_id = $2");
    match transaction.query_opt(&sql, &[&line, &id]).await? {
        Some(_) => Ok(()),
        None => Err(Problem::not_found("there is no such line in this reconciliation")),
    }
}

fn unmatched_sql(table: &str, column: &str, near: bool) -> String {
    let order = match near {
        true => {
            "(select abs(e.cents - b.cents) from bank_lines b where b.id = $4),
             (select abs(e.booked_on - b.booked_on) from bank_lines b where b.id = $4), e.line"
        }
        false => "e.line",
    };
    format!(
        "select e.id, e.line, e.booked_on, e.cents, e.reference, e.description from {table} e
         where e.reconciliation_id = $1
           and not exists (select from matches m where m.{column} = e.id)
         order by {order} limit $2 offset $3"
    )
}

fn pairs_sql(which: &str) -> String {
    format!(
        "select b.id, b.line, b.booked_on, b.cents, b.reference, b.description,
                l.id, l.line, l.booked_on, l.cents, l.reference, l.description,
                m.kind, m.similarity, m.note
         from matches m
         join bank_lines b on b.id = m.bank_line_id
         left join ledger_entries l on l.id = m.ledger_entry_id
         where m.reconciliation_id = $1 and {which}
         order by b.line limit $2 offset $3"
    )
}

fn entry(row: &Row, first: usize) -> Value {
    if row.get::<_, Option<i64>>(first).is_none() {
        return Value::Null;
    }
    json!({
        "id": row.get::<_, i64>(first),
        "line": row.get::<_, i32>(first + 1),
        "date": row.get::<_, Date>(first + 2).to_string(),
        "amount": amount(row.get(first + 3)),
        "reference": row.get::<_, &str>(first + 4),
        "description": row.get::<_, &str>(first + 5),
    })
}

fn pair(row: &Row) -> Value {
    json!({
        "bank": entry(row, 0),
        "ledger": entry(row, 6),
        "kind": row.get::<_, &str>(12),
        "similarity": row.get::<_, Option<f32>>(13),
        "note": row.get::<_, Option<&str>>(14),
    })
}

fn freshness(fresh: Option<bool>) -> Freshness {
    match fresh {
        Some(true) => Freshness::ReadsOwnWrite,
        _ => Freshness::MayLag,
    }
}

fn page(page: Option<i64>) -> Result<i64, Problem> {
    match page.unwrap_or(1) {
        page @ 1..=1_000_000 => Ok(page),
        _ => Err(Problem::bad_request("a page is a number from 1")),
    }
}
