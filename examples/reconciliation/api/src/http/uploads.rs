//! Uploads: two files in one form, read strictly, stored whole, matched later.
//!
//! Everything that can be wrong with a file is found here, while somebody waits for the answer; a
//! run in the background has nobody to tell.

use std::sync::Arc;

use axum::Json;
use axum::extract::multipart::{Field, MultipartError, MultipartRejection};
use axum::extract::{Multipart, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use futures_util::pin_mut;
use serde_json::json;
use time::Date;
use tokio::sync::Semaphore;
use tokio_postgres::Transaction;
use tokio_postgres::binary_copy::BinaryCopyInWriter;
use tokio_postgres::types::Type;

use super::auth::Caller;
use crate::App;
use crate::database::DatabaseError;
use crate::log;
use crate::problem::Problem;
use crate::statement;

/// Bytes of one file.
const FILE_LIMIT: usize = 20 * 1024 * 1024;
/// Bytes of both files and of what stands around them.
pub const LIMIT: usize = 2 * FILE_LIMIT + 64 * 1024;
/// Uploads held in memory at once; the next ones wait.
static UPLOADING: Semaphore = Semaphore::const_new(2);

/// A file as it was sent.
struct Upload {
    name: String,
    bytes: Vec<u8>,
}

/// Stores the files and answers at once; the matching follows.
pub async fn create(
    State(app): State<Arc<App>>,
    caller: Caller,
    multipart: Result<Multipart, MultipartRejection>,
) -> Response {
    let result = match multipart {
        Ok(multipart) => accept(&app, &caller, multipart).await,
        Err(rejection) => Err(Problem::bad_request(rejection.body_text())),
    };
    let label = match &result {
        Ok(_) => "ok",
        Err(problem) if problem.is_server_error() => "error",
        Err(_) => "rejected",
    };
    app.metrics.uploads.with_label_values(&[label]).inc();
    match result {
        Ok(id) => {
            let location = [("location", format!("/api/reconciliations/{id}"))];
            (StatusCode::ACCEPTED, location, Json(json!({ "id": id }))).into_response()
        }
        Err(problem) => problem.into_response(),
    }
}

async fn accept(app: &Arc<App>, caller: &Caller, multipart: Multipart) -> Result<i64, Problem> {
    let permit = UPLOADING.acquire().await.expect("the semaphore is never closed");
    let (bank, ledger) = receive(multipart).await?;
    let names = (bank.name, ledger.name);
    let parsed = tokio::task::spawn_blocking(move || {
        let bank = statement::parse(&bank.bytes)
            .map_err(|mistake| Problem::unreadable_file("bank", &mistake))?;
        let ledger = statement::parse(&ledger.bytes)
            .map_err(|mistake| Problem::unreadable_file("ledger", &mistake))?;
        Ok::<_, Problem>((bank, ledger))
    });
    let (bank, ledger) = parsed.await.map_err(|_| {
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "something went wrong on our side")
    })??;

    let trace = log::trace().unwrap_or_default();
    let mut client = app.database.primary().await?;
    let transaction = client.transaction().await?;
    let row = transaction
        .query_one(
            "insert into reconciliations
                 (account_id, bank_file, ledger_file, trace_id, bank_lines, ledger_entries,
                  unmatched_bank, unmatched_ledger)
             values ($1, $2, $3, $4, $5, $6, $5, $6) returning id",
            &[
                &caller.account,
                &names.0,
                &names.1,
                &trace,
                &(bank.len() as i32),
                &(ledger.len() as i32),
            ],
        )
        .await?;
    let id: i64 = row.get(0);
    copy(&transaction, "bank_lines", id, &bank).await?;
    copy(&transaction, "ledger_entries", id, &ledger).await?;
    transaction.commit().await?;
    drop(permit);
    app.wake.notify_one();
    Ok(id)
}

async fn receive(mut multipart: Multipart) -> Result<(Upload, Upload), Problem> {
    let (mut bank, mut ledger) = (None, None);
    while let Some(field) = multipart.next_field().await.map_err(broken_upload)? {
        let side = match field.name() {
            Some("bank") => &mut bank,
            Some("ledger") => &mut ledger,
            _ => {
                return Err(Problem::bad_request("only the files `bank` and `ledger` belong here"));
            }
        };
        if side.is_some() {
            return Err(Problem::bad_request("a file was sent twice"));
        }
        *side = Some(receive_file(field).await?);
    }
    match (bank, ledger) {
        (Some(bank), Some(ledger)) => Ok((bank, ledger)),
        (None, _) => Err(Problem::bad_request("the file `bank` is missing")),
        (_, None) => Err(Problem::bad_request("the file `ledger` is missing")),
    }
}

async fn receive_file(mut field: Field<'_>) -> Result<Upload, Problem> {
    let name = field.file_name().unwrap_or("unnamed");
    let name = name.chars().filter(|c| !c.is_control()).take(200).collect();
    let mut bytes = Vec::new();
    while let Some(chunk) = field.chunk().await.map_err(broken_upload)? {
        if FILE_LIMIT < bytes.len() + chunk.len() {
            let message = "a file has more than 20 MB";
            return Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, message));
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(Upload { name, bytes })
}

fn broken_upload(error: MultipartError) -> Problem {
    Problem::new(error.status(), error.body_text())
}

async fn copy(
    transaction: &Transaction<'_>,
    table: &str,
    id: i64,
    rows: &[statement::Row],
) -> Result<(), DatabaseError> {
    let sql = format!(
        "copy {table} (reconciliation_id, line, booked_on, cents, reference, description)
         from stdin binary"
    );
    let sink = transaction.copy_in(&sql).await?;
    let types = [Type::INT8, Type::INT4, Type::DATE, Type::INT8, Type::TEXT, Type::TEXT];
    let writer = BinaryCopyInWriter::new(sink, &types);
    pin_mut!(writer);
    for row in rows {
        let date = Date::from_julian_day(row.entry.day).expect("it was parsed from a date");
        let line = row.line as i32;
        let entry = &row.entry;
        writer
            .as_mut()
            .write(&[&id, &line, &date, &entry.cents, &entry.reference, &entry.description])
            .await?;
    }
    writer.finish().await?;
    Ok(())
}
