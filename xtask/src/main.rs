//! The project's commands. Plain std, so that `cargo xtask` itself is built in a moment on a fresh machine.

mod bundle;
mod documents;
mod prerequisites;
mod run;
mod test;
mod up;

use std::process::ExitCode;

use anyhow::{Result, bail};

const USAGE: &str = "\
cargo xtask <command>

  up      build everything and start a cell with its web client, and an observatory beside it
          --listen ADDR   where (127.0.0.1:8100)
          --data DIR      where it keeps its data (./data)
          --pulse ADDR    where the observatory is (127.0.0.1:8101)
          --no-pulse      without it
          --no-web        without the web client: builds faster, for the terminal alone
          --check         start, look whether it answers, stop
  test    everything that must hold before a change goes in
  web     the web client alone, into target/web-dist
  sim     the simulator, optimised: --seeds N, --seed S and what else `mbolo-sim --help` names
  fuzz    hostile bytes against every decoder: --seconds N for each target (60), --seed S
  bench   the benchmarks: what `mbolo bench --help` names
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match dispatch(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn dispatch(arguments: &[&str]) -> Result<()> {
    std::env::set_current_dir(run::workspace())?;
    match arguments {
        ["up", options @ ..] => up::up(options),
        ["test"] => test::test(),
        ["web"] => {
            prerequisites::for_the_web_client()?;
            bundle::build(bundle::Bundler::AsTheBinary)
        }
        ["sim", options @ ..] => {
            run::cargo(&["run", "--release", "--package", "mbolo-sim", "--"]).args(options).run()
        }
        ["fuzz", options @ ..] => test::fuzz(options),
        ["bench", options @ ..] => {
            run::cargo(&["run", "--release", "--package", "mbolo", "--", "bench"]).args(options).run()
        }
        ["help" | "--help" | "-h"] => {
            print!("{USAGE}");
            Ok(())
        }
        [] => bail!("which command?\n\n{USAGE}"),
        _ => bail!("`{}` is no command\n\n{USAGE}", arguments.join(" ")),
    }
}
