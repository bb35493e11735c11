//! Pages of docs/reference are what the binary prints; `cargo xtask bless` writes them anew.

use std::fs;
use std::path::Path;

use crate::stage::Stage;

#[track_caller]
fn check(page: &str, arguments: &[&str]) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference").join(page);
    let written = fs::read_to_string(&path).unwrap_or_default();
    let printed = Stage::new().run(arguments).expect(0).out.clone();
    assert!(written == printed, "docs/reference/{page} is out of date: run `cargo xtask bless`");
}

#[test]
fn the_pages_are_up_to_date() {
    check("mainstay.schema.json", &["schema"]);
    check("openapi.json", &["schema", "api"]);
    check("cli.md", &["schema", "cli"]);
    check("kinds.md", &["schema", "kinds"]);
}

#[test]
fn the_api_description_names_every_answer() {
    let value = Stage::new().run(&["schema", "api"]).expect(0).json();
    let paths = value["paths"].as_object().unwrap();
    assert!(paths.contains_key("/api/status") && paths.contains_key("/api/restart/{service}"));
    assert!(value["components"]["schemas"]["AppStatus"].is_object());
    assert_eq!(value["paths"]["/api/logs"]["get"]["parameters"].as_array().unwrap().len(), 4);
}
