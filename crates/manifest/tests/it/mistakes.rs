//! Wrong input that is too large or too odd for a file in the corpus.

use base::Severity;

use crate::{COMPLETE, render};

fn codes(text: &str) -> Vec<&'static str> {
    let (manifest, diagnostics) = manifest::parse(text, None);
    assert!(manifest.is_none());
    diagnostics.iter().map(|diagnostic| diagnostic.code).collect()
}

#[test]
fn ten_megabytes_are_refused_unread() {
    assert_eq!(codes(&"# filler\n".repeat(1_200_000)), ["too-long"]);
}

/// A manifest of so many pieces.
fn pieces(count: usize, piece: impl Fn(usize) -> String) -> String {
    let head = "format = 1\napp = \"shop\"\n".to_owned();
    head + &(0..count).map(piece).collect::<String>()
}

#[test]
fn mistakes_beyond_a_hundred_are_counted() {
    let text = pieces(130, |number| format!("wrong-{number} = 1\n"));
    let (_, diagnostics) = manifest::parse(&text, None);
    assert_eq!(diagnostics.len(), 101);
    assert_eq!(diagnostics.last().unwrap().message, "30 more mistakes are not shown");
}

#[test]
fn many_environments_and_stars_do_not_fill_the_memory() {
    let text = pieces(100, |number| format!("[env.e{number}]\nwatch = true\n"));
    assert!(codes(&text).contains(&"bad-name"));
    let flags = pieces(1_000, |number| format!("flags.f{number} = true\n"));
    let text = format!("{flags}[env.dev]\nflags.\"*\" = [{}]\n", "1,".repeat(20_000));
    assert!(codes(&text).contains(&"too-long"));
}

#[test]
fn a_long_chain_of_services_is_walked_without_a_stack() {
    let text = pieces(5_000, |number| {
        let next = number + 1;
        format!("[service.s{number}]\nrun = \"a\"\nenv = {{ NEXT = \"@s{next}\" }}\n")
    });
    let whole = format!("{text}[service.s5000]\nrun = \"a\"\n");
    assert!(manifest::parse(&whole, None).0.is_some());
    let circle = format!("{text}[service.s5000]\nrun = \"a\"\nenv = {{ NEXT = \"@s0\" }}\n");
    let (_, diagnostics) = manifest::parse(&circle, None);
    assert_eq!(diagnostics.len(), 1);
    let shown = "s0 -> s1 -> s2 -> s3 -> s4 -> s5 -> … -> s5000 -> s0";
    assert!(render(&diagnostics, &circle).contains(shown));
}

#[test]
fn turning_any_line_of_a_good_manifest_into_nonsense_is_noticed() {
    let lines: Vec<&str> = COMPLETE.lines().collect();
    for (index, line) in lines.iter().enumerate() {
        if line.trim().is_empty() || line.starts_with('#') {
            continue;
        }
        let mut broken = lines.clone();
        broken[index] = "nonsense";
        let (_, diagnostics) = manifest::parse(&broken.join("\n"), None);
        let noticed = diagnostics.iter().any(|d| d.severity == Severity::Error);
        assert!(noticed, "{line}");
    }
}
