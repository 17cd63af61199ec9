//! Prints the reference of all settings; `cargo xtask defaults` writes it to docs/defaults.md.
#![expect(clippy::print_stdout, reason = "printing is what it is for")]

fn main() {
    print!("{}", macadam::Settings::reference());
}
