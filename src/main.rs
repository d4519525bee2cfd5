//! Opens the window, or does one thing on the command line.

use std::process::ExitCode;

fn main() -> ExitCode {
    plumbline::cli::main()
}
