//! Embeds the built console: writes a table of its files for `src/console.rs`.
//!
//! npm is never called here. Where `console/dist` holds no page, `console/unbuilt` takes its place,
//! which says how to build one. Only files found now get into the table, so that a request is
//! answered by a look-up and can never reach the disk.

use std::error::Error;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

#[expect(clippy::disallowed_methods, reason = "Cargo hands over its directories this way")]
fn main() -> Result<(), Box<dyn Error>> {
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?).join("console");
    let dist = root.join("dist");
    // A watched path that does not exist makes Cargo build this crate again every time. Where the
    // directory cannot be made, that is the only loss.
    if fs::create_dir_all(&dist).is_err() {
        println!("cargo::warning={} cannot be made", dist.display());
    }
    println!("cargo::rerun-if-changed=console/dist");
    println!("cargo::rerun-if-changed=console/unbuilt");
    println!("cargo::rerun-if-changed=build.rs");
    let built = dist.join("index.html").exists();
    let from = if built { dist } else { root.join("unbuilt") };
    let mut files = Vec::new();
    collect(&from, &mut files)?;
    files.sort();
    let table = render(&from, &files)?;
    fs::write(PathBuf::from(env::var("OUT_DIR")?).join("console.rs"), table)?;
    Ok(())
}

fn collect(directory: &Path, files: &mut Vec<PathBuf>) -> Result<(), Box<dyn Error>> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        if kind.is_dir() {
            collect(&entry.path(), files)?;
        } else if kind.is_file() {
            files.push(entry.path());
        }
    }
    Ok(())
}

fn render(from: &Path, files: &[PathBuf]) -> Result<String, Box<dyn Error>> {
    let mut table = String::from("&[\n");
    for file in files {
        let path = file.strip_prefix(from)?.to_str().ok_or("a file's name is not UTF-8")?;
        let path = format!("/{}", path.replace('\\', "/"));
        let content_type = content_type(file)?;
        let etag = format!("\"{:016x}\"", fingerprint(&fs::read(file)?));
        // Vite puts a hash of the content into these names: they never change.
        let immutable = path.starts_with("/assets/");
        writeln!(table, "    ({path:?}, Asset {{")?;
        writeln!(table, "        content_type: {content_type:?},")?;
        writeln!(table, "        body: include_bytes!({:?}),", file.display().to_string())?;
        writeln!(table, "        etag: {etag:?},")?;
        writeln!(table, "        immutable: {immutable},")?;
        writeln!(table, "    }}),")?;
    }
    table.push_str("]\n");
    Ok(table)
}

fn content_type(file: &Path) -> Result<&'static str, String> {
    match file.extension().and_then(|extension| extension.to_str()) {
        Some("html") => Ok("text/html; charset=utf-8"),
        Some("js") => Ok("text/javascript; charset=utf-8"),
        Some("css") => Ok("text/css; charset=utf-8"),
        Some("svg") => Ok("image/svg+xml"),
        Some("png") => Ok("image/png"),
        Some("woff2") => Ok("font/woff2"),
        _ => Err(format!("no content type is known for {}", file.display())),
    }
}

/// FNV-1a: tells one build's file from another's; nobody gains from forging it.
fn fingerprint(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}
