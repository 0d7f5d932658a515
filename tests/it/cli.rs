//! The command, run as users run it: every line of its help, what it prints, and with which code it ends.

mod attributes;
mod bent;
mod burners;
mod checksums;
mod discs;
mod growing;
mod hostile;
mod in_place;
mod making;
mod reading;
mod repairing;
mod rescuing;
mod searching;
mod sessions;
mod steps;
mod stopping;

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

/// A folder to work in, and the command.
struct Bench {
    folder: tempfile::TempDir,
}

/// How a run ended.
struct Run {
    code: Option<i32>,
    out: Vec<u8>,
    err: String,
}

impl Bench {
    /// With a source `src` of some files: `a.txt`, `sub/b.txt` and a link to it, `sub/hard` (a hard link to `a.txt`).
    fn new() -> Self {
        let bench = Self::empty();
        bench.write("src/a.txt", "alpha");
        bench.write("src/sub/b.txt", &"beta ".repeat(2000));
        fs::hard_link(bench.path("src/a.txt"), bench.path("src/sub/hard")).unwrap();
        std::os::unix::fs::symlink("sub/b.txt", bench.path("src/link")).unwrap();
        bench
    }

    fn empty() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    /// With a volume `v.udf` of the source.
    fn with_volume() -> Self {
        let bench = Self::new();
        bench.done(["create", "-o", "v.udf", "-l", "First", "src"]);
        bench
    }

    fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, content: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap()
    }

    fn command(&self, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mkudf-ms"));
        command.current_dir(self.folder.path()).args(arguments).stdin(Stdio::null());
        command
            .env("TZ", "UTC0")
            .env("LC_ALL", "C.UTF-8")
            .env_remove("SOURCE_DATE_EPOCH")
            .env_remove("NO_COLOR");
        command
    }

    fn run(&self, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Run {
        self.command(arguments).output().unwrap().into()
    }

    fn run_with(&self, arguments: &[&str], environment: &[(&str, &str)]) -> Run {
        self.command(arguments).envs(environment.iter().copied()).output().unwrap().into()
    }

    /// Runs what must succeed; what it printed, and what it told people.
    fn told(&self, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> (Vec<u8>, String) {
        let run = self.run(arguments);
        assert_eq!(run.code, Some(0), "{}", run.err);
        (run.out, run.err)
    }

    /// Runs what must succeed; what it printed.
    fn done(&self, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> String {
        self.ends(0, arguments)
    }

    /// Runs what must end with this code; what it printed.
    fn ends(&self, code: i32, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> String {
        let run = self.run(arguments);
        assert_eq!(run.code, Some(code), "{}", run.err);
        assert!(!run.err.contains("panicked"), "{}", run.err);
        String::from_utf8(run.out).unwrap()
    }

    /// Runs what must fail with this code; what it says.
    fn fails(&self, code: i32, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> String {
        let run = self.run(arguments);
        assert_eq!(run.code, Some(code), "{}", run.err);
        assert!(!run.err.contains("panicked") && !run.err.is_empty(), "{}", run.err);
        run.err
    }

    /// What is in a volume, as `ls -R --json` prints it.
    fn listing(&self, options: &[&str]) -> Vec<Value> {
        json_lines(&self.done([&["ls", "-R", "--json"], options].concat()))
    }

    fn paths(&self, options: &[&str]) -> Vec<String> {
        self.listing(options).iter().map(|object| object["path"].as_str().unwrap().into()).collect()
    }
}

impl From<Output> for Run {
    fn from(output: Output) -> Self {
        let err = String::from_utf8(output.stderr).unwrap();
        Self { code: output.status.code(), out: output.stdout, err }
    }
}

fn json_lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

const COMMANDS: [&str; 10] =
    ["create", "append", "ls", "cat", "extract", "info", "sessions", "check", "repair", "rescue"];

#[test]
fn help_and_version_are_no_errors() {
    let bench = Bench::empty();
    let help = bench.done(["--help"]);
    assert!(bench.done(["--version"]).contains(env!("CARGO_PKG_VERSION")));
    for command in COMMANDS {
        assert!(help.contains(command), "{command}");
        let help = bench.done([command, "--help"]);
        assert!(help.contains("--json") && help.contains("--quiet") && help.contains("--color"), "{help}");
        bench.done([command, "--version"]);
    }
}

#[test]
fn wrong_usage_has_its_own_code() {
    let bench = Bench::new();
    bench.fails(2, ["frobnicate"]);
    bench.fails(2, ["create", "src"]);
    bench.fails(2, ["create", "-o", "x.udf"]);
    bench.fails(2, ["create", "-o", "x.udf", "-r", "2.70", "src"]);
    bench.fails(2, ["create", "-o", "x.udf", "-b", "1000", "src"]);
    bench.fails(2, ["create", "-o", "x.udf", "-b", "8192", "src"]);
    bench.fails(2, ["create", "-o", "x.udf", "--uuid", "123", "src"]);
    bench.fails(2, ["create", "-o", "x.udf", "--file-mode", "9", "src"]);
    bench.fails(2, ["create", "-o", "x.udf", "--mtime", "soon", "src"]);
    bench.fails(2, ["create", "-o", "x.udf", "--capacity", "many", "src"]);
    bench.fails(2, ["create", "-o", "x.udf", "-0", "src"]);
    bench.fails(2, ["create", "-o", "x.udf", "--vid", &"x".repeat(31), "src"]);
    bench.fails(2, ["create", "-o", "-", "--json", "src"]);
    let refusal = bench.fails(2, ["create", "-o", "x.udf", "-m", "bd-rom", "src"]);
    assert!(refusal.contains("pressed"), "{refusal}");
    bench.fails(2, ["append", "x.udf"]);
    bench.fails(2, ["ls"]);
    bench.fails(16, ["check", "--frobnicate"]);
    bench.fails(16, ["-q", "check"]);
    bench.fails(16, ["repair"]);
    bench.fails(16, ["repair", "--undo", "x", "--no-undo", "x.udf"]);
    let mut wrong_epoch = bench.command(["create", "-o", "x.udf", "src"]);
    assert_eq!(wrong_epoch.env("SOURCE_DATE_EPOCH", "yesterday").status().unwrap().code(), Some(2));
    assert!(!bench.path("x.udf").exists());
}

#[test]
fn failures_name_the_path_and_what_can_be_done() {
    let bench = Bench::new();
    for command in ["ls", "info", "sessions", "extract"] {
        let error = bench.fails(1, [command, "none.udf"]);
        assert!(error.starts_with("mkudf-ms: none.udf: cannot open: No such file"), "{error}");
        let error = bench.fails(1, [command, "src/sub/b.txt"]);
        assert!(
            error.contains("src/sub/b.txt: no UDF volume found") && error.contains("\nhint: "),
            "{error}"
        );
    }
    bench.fails(1, ["create", "-o", "none/x.udf", "src"]);
    bench.fails(1, ["create", "-o", "src", "src"]);
    bench.fails(1, ["create", "-o", "x.udf", "none"]);
    assert!(!bench.path("x.udf").exists());
}

#[test]
fn colour_is_for_terminals_or_on_request() {
    let bench = Bench::empty();
    assert!(!bench.fails(1, ["ls", "none"]).contains('\x1b'));
    assert!(bench.fails(1, ["ls", "--color", "always", "none"]).contains("\x1b["));
    // What a name or a path holds does not reach the terminal as it is.
    let error = bench.fails(1, ["ls", "bad\x1b]0;title\x07"]);
    assert!(error.contains("\\x1b]0;title\\x07"), "{error}");
}
