//! Prints `docs/reference/manifest.md`; `cargo xtask bless` puts it there.

#[expect(clippy::print_stdout, reason = "printing is what it is for")]
fn main() {
    print!("{}", manifest::reference());
}
