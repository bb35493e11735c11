//! What holds for every text: reading ends, never panics, and points only into the text.

use std::fs;
use std::path::Path;

use base::Source;
use manifest::Document;
use proptest::collection::vec;
use proptest::prelude::{Strategy, any};
use proptest::sample::select;

use crate::COMPLETE;

/// Asks everything that can be asked of a text.
fn check(text: &str) {
    let document = Document::parse(text);
    let names: Vec<String> = document.environments().map(str::to_owned).collect();
    let known = names.iter().map(|name| Some(name.as_str()));
    for environment in known.chain([None, Some("dev"), Some("elsewhere")]) {
        let (manifest, diagnostics) = document.resolve(environment);
        for diagnostic in &diagnostics {
            for place in &diagnostic.places {
                assert!(place.span.start <= place.span.end, "{diagnostic:?}");
                assert!(place.span.end <= text.len(), "{diagnostic:?}");
                assert!(text.is_char_boundary(place.span.start), "{diagnostic:?}");
                assert!(text.is_char_boundary(place.span.end), "{diagnostic:?}");
            }
            assert!(diagnostic.help.is_some(), "{diagnostic:?}");
            assert!(!diagnostic.render(Source { name: "m", text }, true).is_empty());
        }
        if let Some(manifest) = manifest {
            assert!(manifest::env_example(&manifest).ends_with('\n'));
            assert!(manifest::variables(&manifest).ends_with('\n'));
            assert_eq!(document.diff(environment, environment), []);
        } else {
            assert!(!diagnostics.is_empty());
        }
        for path in ["", ".", "service.api.drain", "\"", "route.app./.to"] {
            let _answered = document.why(path, environment);
        }
    }
}

/// Pieces of which manifests consist, right and wrong.
const PIECES: &[&str] = &[
    "\"",
    "'",
    "\"\"\"",
    "=",
    "[",
    "]",
    "{",
    "}",
    ".",
    ",",
    "\n",
    "#",
    "@",
    "$",
    "*",
    "/",
    "-1",
    "0",
    "99999999999",
    "1.5",
    "true",
    "é",
    "\u{0}",
    "\u{1b}",
    "\r",
    "\t",
    "env",
    "dev",
    "service",
    "api",
    "drop",
    "\"*\"",
    "1979-05-27",
    "inf",
    "5 parsecs",
    "x-",
    "[[",
    "]]",
    "format = 2",
];

/// A good manifest with a few pieces cut out, copied or put in.
fn mutated() -> impl Strategy<Value = String> {
    let change = (any::<u16>(), any::<u8>(), select(PIECES), 0..4_u8);
    vec(change, 1..6).prop_map(|changes| {
        let mut text = COMPLETE.to_owned();
        for (at, length, piece, what) in changes {
            let boundary = |mut at: usize| {
                at %= text.len() + 1;
                while !text.is_char_boundary(at) {
                    at -= 1;
                }
                at
            };
            let start = boundary(usize::from(at));
            let end = boundary(start + usize::from(length)).max(start);
            match what {
                0 => text.replace_range(start..end, ""),
                1 => text.replace_range(start..end, piece),
                2 => text.insert_str(start, piece),
                _ => {
                    let copied = text.get(start..end).unwrap_or_default().to_owned();
                    text.insert_str(end, &copied);
                }
            }
            if text.is_empty() {
                text.push('\n');
            }
        }
        text
    })
}

/// A well-formed file whose keys and values stand in the wrong places.
fn shuffled() -> impl Strategy<Value = String> {
    let header = select(vec![
        "[service.api]",
        "[database.db]",
        "[cache.c]",
        "[job.j]",
        "[volume.v]",
        "[listener.l]",
        "[route.app]",
        "[slo]",
        "[metric.m]",
        "[load.l]",
        "[alert]",
        "[notify.n]",
        "[flags]",
        "[release]",
        "[secret]",
        "[telemetry]",
        "[env.dev]",
        "[env.dev]\nservice.api",
        "",
    ]);
    let keys: Vec<String> = manifest::SECTIONS
        .iter()
        .flat_map(|section| match section.shape {
            manifest::Shape::Named(fields)
            | manifest::Shape::Single(fields)
            | manifest::Shape::Entries(fields)
            | manifest::Shape::Variables(fields)
            | manifest::Shape::Routes(_, fields) => fields,
            manifest::Shape::Values => &[],
        })
        .map(|field| field.name.to_owned())
        .chain(["\"/\"".to_owned(), "drop".to_owned(), "\"*\"".to_owned()])
        .collect();
    let value = select(vec![
        "1",
        "-1",
        "0",
        "1.5",
        "true",
        "[]",
        "{}",
        "[1]",
        "\"\"",
        "\"api\"",
        "\"@api\"",
        "\"@db.x\"",
        "\"$X\"",
        "\"5s\"",
        "\"99%\"",
        "\"/a\"",
        "[\"a\", \"a\"]",
        "{ a = 1 }",
        "{ kind = \"k\" }",
        "{ to = \"api\" }",
        "{ of = \"app/\", good = \"under 2s\", target = \"95%\" }",
        "[\"5% 2m\"]",
        "{ min = 0, max = 1, on = \"cpu 5%\" }",
        "2020-01-01",
        "\"\\u001b\"",
    ]);
    let line = (select(keys), value).prop_map(|(key, value)| format!("{key} = {value}\n"));
    let section = (header, vec(line, 0..6)).prop_map(|(header, lines)| {
        format!("{header}{}{}", if header.ends_with(']') { "\n" } else { "" }, lines.concat())
    });
    vec(section, 0..8)
        .prop_map(|sections| format!("format = 1\napp = \"shop\"\n{}", sections.concat()))
}

proptest::proptest! {
    #[test]
    fn any_text_is_survived(text in "\\PC*") {
        check(&text);
    }

    #[test]
    fn any_pieces_are_survived(pieces in vec(select(PIECES), 0..60)) {
        check(&pieces.concat());
    }

    #[test]
    fn a_mutated_manifest_is_survived(text in mutated()) {
        check(&text);
    }

    #[test]
    fn keys_in_the_wrong_places_are_survived(text in shuffled()) {
        check(&text);
    }
}

#[test]
fn the_corpora_are_survived() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for folder in [root.join("tests/it/corpus"), root.join("../../fuzz/corpus/manifest")] {
        let mut count = 0;
        for entry in fs::read_dir(&folder).unwrap() {
            let bytes = fs::read(entry.unwrap().path()).unwrap();
            check(&String::from_utf8_lossy(&bytes));
            count += 1;
        }
        assert!(0 < count, "{} is empty", folder.display());
    }
}
