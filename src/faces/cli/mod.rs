//! The command line: arguments in, one call, an answer out. Decides nothing about documents; prints nothing but answers and errors.
#![allow(
    clippy::disallowed_methods,
    reason = "the shell reads value files, starts the user's editor and the demo's agents"
)]

mod agent;
mod answer;
mod archive;
mod args;
mod bar;
mod batch;
mod bridge;
mod check;
mod commit;
mod complete;
mod completions;
mod config;
mod demo;
mod doctor;
mod event;
mod explain;
mod format;
mod help;
mod init;
mod input;
mod instructions;
mod late;
mod list;
mod live;
mod log;
mod man;
mod merge_driver;
mod pager;
mod pause;
mod progress;
mod render;
mod resolve;
mod restore;
mod scratch;
mod session;
mod show;
mod status;
mod sync;
mod task;
mod textconv;
mod unit;
mod usage;
mod watch;
mod why;
mod worker;
mod workflow;
mod write;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Parser as _;
use clap::error::ErrorKind;

pub use crate::api::view::Exit;

use crate::api::view::ErrorReport;

use answer::{Answer, Face};
use args::{Cli, Command};
use session::Session;

/// Runs the command line and gives the exit code; everything it has to say is printed by then.
#[must_use]
pub fn run(arguments: &[OsString]) -> ExitCode {
    if let Some(code) = complete::answer(arguments) {
        return code;
    }
    match Cli::try_parse_from(arguments) {
        Ok(cli) => {
            let session = Session::new(cli.global);
            let started = std::time::Instant::now();
            let result = dispatch(&cli.command, &session);
            session.done();
            if session.global.verbose {
                session.face.say(&format!("took {} ms\n", started.elapsed().as_millis()));
            }
            session.face.finish(result)
        }
        Err(error) => refuse(&error, arguments),
    }
}

fn dispatch(command: &Command, session: &Session) -> Result<Option<Answer>, ErrorReport> {
    match command {
        Command::Status(args) => status::run(args, session).map(Some),
        Command::Task(command) => task::run(command, session),
        Command::Agent(command) => agent::run(command, session),
        Command::Workflow(command) => workflow::run(command, session),
        Command::Event(command) => event::run(command, session),
        Command::Why(args) => why::run(args, session).map(Some),
        Command::Batch(args) => batch::run(args, session).map(Some),
        Command::Log(args) => log::run(args, session),
        Command::Check(args) => check::run(args, session).map(Some),
        Command::Watch(args) => watch::run(args, session),
        Command::Worker(args) => worker::run(args, session),
        Command::Commit(args) => commit::run(args, session).map(Some),
        Command::Pause(args) => pause::pause(args, session).map(Some),
        Command::Resume(args) => pause::resume(args, session).map(Some),
        Command::Sync(args) => sync::run(args, session).map(Some),
        Command::Bridge(command) => bridge::run(command, session).map(Some),
        Command::Archive(args) => archive::run(args, session).map(Some),
        Command::Resolve(args) => resolve::run(args, session).map(Some),
        Command::Restore(args) => restore::run(args, session).map(Some),
        Command::Init(args) => init::run(args, session).map(Some),
        Command::Config(command) => config::run(command, session).map(Some),
        Command::Demo(args) => demo::run(args, session),
        Command::Completions(args) => completions::run(args).map(Some),
        Command::Man(args) => man::run(args).map(Some),
        Command::MergeDriver(args) => merge_driver::run(args).map(Some),
        Command::Textconv(args) => textconv::run(args),
        Command::Doctor(args) => Ok(Some(doctor::run(args, session))),
        Command::Instructions(args) => instructions::run(args, session).map(Some),
        Command::Explain(args) => explain::run(args).map(Some),
    }
}

/// A command line that asks for help gets it; any other that cannot be read is an error.
fn refuse(error: &clap::Error, arguments: &[OsString]) -> ExitCode {
    let face = Face::guess(arguments);
    if let Some(result) = help::topic(error, arguments) {
        return face.finish(result.map(Some));
    }
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            face.finish(answer::print(&error.render().ansi().to_string()).map(|()| None))
        }
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand if !face.json() => {
            face.say(&error.render().ansi().to_string());
            Exit::Usage.into()
        }
        _ => face.finish(Err(usage::failure(error, arguments))),
    }
}
