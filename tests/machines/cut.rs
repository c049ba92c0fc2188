//! A network that is cut for real: the server in a network namespace of its own, the link taken down and up again.

use std::process::Command;

use crate::fleet::{Fleet, LONG, SOON, task, until};
use crate::server::program;
use crate::support::{could_not_run, has_program};

const NAME: &str = "a_link_that_goes_down_and_up_again_is_survived";
const HERE: &str = "10.213.77.1";
const THERE: &str = "10.213.77.2";

fn ip(words: &str) -> Result<(), String> {
    let output = Command::new("ip").args(words.split(' ')).output().map_err(|error| error.to_string())?;
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    if output.status.success() { Ok(()) } else { Err(said) }
}

/// A namespace with a link to it, removed in the end.
struct Space {
    name: String,
    link: String,
}

impl Space {
    fn new() -> Result<Self, String> {
        let id = std::process::id() % 100_000;
        let (name, link) = (format!("mycelium-{id}"), format!("myc{id}"));
        ip(&format!("netns add {name}"))?;
        let space = Self { name, link };
        let (name, link) = (&space.name, &space.link);
        ip(&format!("link add {link} type veth peer name {link}b"))?;
        ip(&format!("link set {link}b netns {name}"))?;
        ip(&format!("addr add {HERE}/30 dev {link}"))?;
        ip(&format!("-n {name} addr add {THERE}/30 dev {link}b"))?;
        ip(&format!("-n {name} link set lo up"))?;
        ip(&format!("-n {name} link set {link}b up"))?;
        ip(&format!("link set {link} up"))?;
        Ok(space)
    }
}

impl Drop for Space {
    fn drop(&mut self) {
        let _ = ip(&format!("link del {}", self.link));
        let _ = ip(&format!("netns del {}", self.name));
    }
}

#[test]
fn a_link_that_goes_down_and_up_again_is_survived() {
    let Some(program) = program() else { return could_not_run(NAME, "`redis-server` is missing") };
    if !has_program("ip") {
        return could_not_run(NAME, "`ip` is missing");
    }
    let space = match Space::new() {
        Ok(space) => space,
        Err(why) => return could_not_run(NAME, &format!("no network namespace can be made: {why}")),
    };
    let mut command = Command::new("ip");
    command.args(["netns", "exec", &space.name]).arg(program);
    command.args(["--port", "7999", "--bind", THERE, "--save", "", "--appendonly", "no", "--protected-mode", "no"]);
    let folder = tempfile::tempdir().unwrap();
    let child = command.arg("--dir").arg(folder.path()).stdout(std::process::Stdio::null()).spawn().unwrap();
    let _server = Ended(child);
    let settings = [("coordination.redis.operation_timeout_seconds", "1")];
    let fleet = Fleet::with(&vec![format!("redis://{THERE}:7999/0"); 2], &settings);
    for round in 0..2 {
        ip(&format!("link set {} down", space.link)).unwrap();
        let name = format!("task-{round}");
        fleet.write(0, &format!("{name}.md"), &task(&name, "written while the link was down"));
        until("it is known", LONG, || fleet.status(0)["bridge"]["state"] == "down");
        ip(&format!("link set {} up", space.link)).unwrap();
        until("it arrives", SOON + SOON, || !fleet.text(1, &format!("{name}.md")).is_empty());
    }
    fleet.settles_in_git();
}

/// A process that ends with the test.
struct Ended(std::process::Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
