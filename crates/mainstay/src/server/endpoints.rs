//! Every endpoint of the admin API, in one table that makes both the router and its description.

use axum::Router;
use axum::routing::{MethodRouter, get, post};
use control::{Answer, AppStatus};
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Map, Value, json};

use super::feed::FeedQuery;
use super::logs::{LogsAnswer, LogsQuery};
use super::requests::{
    ConsoleAddress, DatabaseQuery, Done, EventsAnswer, EventsQuery, MigrateRequest, SamplesAnswer,
    SamplesQuery, SessionRequest,
};
use super::{Problem, Server, feed, logs, requests};

/// Over what a request comes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Side {
    /// The Unix socket, which only the owner can open.
    Socket,
    /// The loopback port, which asks for the token.
    Port,
}

/// One endpoint.
struct Endpoint {
    /// `GET` or `POST`.
    method: &'static str,
    path: &'static str,
    about: &'static str,
    /// Given to the owner only, since its answer holds a password or a token.
    owner_only: bool,
    /// The query's fields, the body, the answer; a stream has none.
    query: Option<SchemaOf>,
    body: Option<SchemaOf>,
    answer: Option<SchemaOf>,
    route: fn() -> MethodRouter<Server>,
}

type SchemaOf = fn(&mut SchemaGenerator) -> schemars::Schema;

const fn schema<T: JsonSchema>() -> Option<SchemaOf> {
    Some(SchemaGenerator::subschema_for::<T>)
}

const fn reading(
    path: &'static str,
    about: &'static str,
    route: fn() -> MethodRouter<Server>,
) -> Endpoint {
    Endpoint {
        method: "get",
        path,
        about,
        owner_only: false,
        query: None,
        body: None,
        answer: None,
        route,
    }
}

const fn changing(
    path: &'static str,
    about: &'static str,
    route: fn() -> MethodRouter<Server>,
) -> Endpoint {
    Endpoint { method: "post", answer: schema::<Answer>(), ..reading(path, about, route) }
}

/// All of them; the router and the description have no other source.
static ALL: &[Endpoint] = &[
    Endpoint {
        answer: schema::<AppStatus>(),
        ..reading("/api/status", "How everything is now.", || get(requests::status))
    },
    Endpoint {
        query: schema::<FeedQuery>(),
        ..reading(
            "/api/stream",
            "Server-sent events: `status` whenever it changes, `event` as it happens; \
             `Last-Event-ID` continues without a gap.",
            || get(feed::stream),
        )
    },
    Endpoint {
        query: schema::<EventsQuery>(),
        answer: schema::<EventsAnswer>(),
        ..reading("/api/events", "What happened.", || get(requests::events))
    },
    Endpoint {
        query: schema::<LogsQuery>(),
        answer: schema::<LogsAnswer>(),
        ..reading("/api/logs", "Log lines of all instances in the order of time.", || {
            get(logs::logs)
        })
    },
    Endpoint {
        query: schema::<LogsQuery>(),
        ..reading("/api/logs/stream", "Server-sent events: `line` as it is written.", || {
            get(logs::stream)
        })
    },
    Endpoint {
        query: schema::<SamplesQuery>(),
        answer: schema::<SamplesAnswer>(),
        ..reading("/api/samples", "What was measured in the last hour.", || get(requests::samples))
    },
    Endpoint {
        query: schema::<DatabaseQuery>(),
        answer: schema::<Answer>(),
        ..reading("/api/migrations", "Which migrations are applied.", || get(requests::migrations))
    },
    Endpoint {
        owner_only: true,
        answer: schema::<ConsoleAddress>(),
        ..reading("/api/console", "The console's address, with the token of the run.", || {
            get(requests::console)
        })
    },
    Endpoint {
        body: schema::<SessionRequest>(),
        answer: schema::<Done>(),
        ..changing("/api/session", "Exchanges the token of the run for a cookie.", || {
            post(requests::session)
        })
    },
    changing("/api/restart/{service}", "Starts every instance anew, one after the other.", || {
        post(requests::restart)
    }),
    changing("/api/run/{job}", "Runs a job to its end.", || post(requests::run)),
    changing("/api/reload", "Reads the manifest again and applies what changed.", || {
        post(requests::reload)
    }),
    Endpoint {
        body: schema::<MigrateRequest>(),
        ..changing("/api/migrations/up", "Applies migrations.", || post(requests::migrate_up))
    },
    Endpoint {
        body: schema::<MigrateRequest>(),
        ..changing("/api/migrations/down", "Undoes the newest migrations.", || {
            post(requests::migrate_down)
        })
    },
    Endpoint {
        owner_only: true,
        ..changing(
            "/api/connect/{name}",
            "How to start an interactive client of a database.",
            || post(requests::connect),
        )
    },
    changing("/api/down", "Stops everything in order; the answer comes when it has begun.", || {
        post(requests::down)
    }),
    Endpoint {
        ..reading("/api/openapi.json", "This description.", || get(async || axum::Json(openapi())))
    },
];

/// The routes of one side.
pub(super) fn router(side: Side) -> Router<Server> {
    let offered = ALL.iter().filter(|endpoint| side == Side::Socket || !endpoint.owner_only);
    offered.fold(Router::new(), |router, endpoint| router.route(endpoint.path, (endpoint.route)()))
}

/// The description of the API, OpenAPI 3.1.
pub(crate) fn openapi() -> Value {
    let settings = SchemaSettings::draft2020_12()
        .with(|settings| settings.definitions_path = "/components/schemas".into());
    let mut generator = settings.into_generator();
    let problem = generator.subschema_for::<Problem>();
    let mut paths: Map<String, Value> = Map::new();
    for endpoint in ALL {
        let operation = operation(endpoint, &mut generator, &problem);
        let path = paths.entry(endpoint.path).or_insert_with(|| json!({}));
        if let Some(path) = path.as_object_mut() {
            path.insert(endpoint.method.to_owned(), operation);
        }
    }
    let schemas = generator.take_definitions(true);
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Mainstay admin API",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Over the Unix socket `control.sock` in the runtime directory without \
                further ado, since only its owner can open it; over the console's loopback port \
                with the run's token as a cookie or bearer token, and, for everything but GET, \
                with the header `x-mainstay: 1`.",
        },
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": { "token": { "type": "http", "scheme": "bearer" } },
        },
        "security": [{ "token": [] }],
    })
}

fn operation(
    endpoint: &Endpoint,
    generator: &mut SchemaGenerator,
    problem: &schemars::Schema,
) -> Value {
    let content = match endpoint.answer {
        Some(answer) => json!({ "application/json": { "schema": answer(generator) } }),
        None if endpoint.path.ends_with("stream") => json!({ "text/event-stream": {} }),
        None => json!({ "application/json": {} }),
    };
    let mut operation = json!({
        "summary": endpoint.about,
        "parameters": parameters(endpoint, generator),
        "responses": {
            "200": { "description": "Done.", "content": content },
            "default": {
                "description": "Not done, and why.",
                "content": { "application/problem+json": { "schema": problem } },
            },
        },
    });
    let Some(object) = operation.as_object_mut() else { return operation };
    if let Some(body) = endpoint.body {
        let schema = body(generator);
        let body =
            json!({ "required": true, "content": { "application/json": { "schema": schema } } });
        object.insert("requestBody".to_owned(), body);
    }
    if endpoint.owner_only {
        object.insert("x-owner-only".to_owned(), json!("offered over the Unix socket alone"));
    }
    operation
}

fn parameters(endpoint: &Endpoint, generator: &mut SchemaGenerator) -> Vec<Value> {
    let parts = endpoint.path.split('/');
    let names = parts.filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    let mut all: Vec<Value> = names
        .map(|name| {
            json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string" } })
        })
        .collect();
    if endpoint.method == "post" {
        all.push(json!({
            "name": "x-mainstay", "in": "header", "schema": { "const": "1" },
            "description": "Required over the loopback port.",
        }));
    }
    let Some(query) = endpoint.query else { return all };
    // The fields of the query's type are its parameters.
    let reference = query(generator);
    let name =
        reference.get("$ref").and_then(Value::as_str).and_then(|path| path.rsplit('/').next());
    let definition = name.and_then(|name| generator.definitions().get(name)).cloned();
    let Some(definition) = definition else { return all };
    let required =
        definition.get("required").and_then(Value::as_array).cloned().unwrap_or_default();
    let properties = definition.get("properties").and_then(Value::as_object);
    for (name, schema) in properties.into_iter().flatten() {
        let required = required.iter().any(|one| one == name);
        all.push(json!({ "name": name, "in": "query", "required": required, "schema": schema }));
    }
    all
}
