//! Scenes about a `TaskQueue` server: `$standin` is the program of a stand-in, and `~/bin` is on `PATH`.
use crate::scenes::{Scene, fixes};

/// The scenes of this subject.
pub(crate) const SCENES: &[Scene] = &[
    fixes(
        "run `mycelium bridge enable taskqueue`",
        "mkdir ~/bin; cp $standin ~/bin/taskqueue-mcp; t 1",
        "mycelium bridge push --backend taskqueue",
    ),
    fixes(
        "run `mycelium config set --user coordination.mode auto`: no such server is wanted",
        "t 1; mycelium config set --user coordination.mode markdown",
        "mycelium bridge push",
    ),
    fixes(
        "run `mycelium bridge enable taskqueue` to mirror tasks there",
        "mkdir ~/bin; cp $standin ~/bin/taskqueue-mcp",
        "mycelium bridge status",
    ),
    fixes(
        "run `mycelium bridge enable taskqueue` to mirror tasks there",
        "mkdir ~/bin; cp $standin ~/bin/taskqueue-mcp",
        "mycelium doctor",
    ),
    fixes(
        "run `mycelium bridge enable taskqueue` if you trust that server",
        "mkdir ~/bin; cp $standin ~/bin/taskqueue-mcp; mkdir .mycelium; t 1; \
         echo '{\"coordination\": {\"mode\": \"taskqueue\"}}' > .mycelium/config.json",
        "mycelium bridge push",
    ),
    Scene {
        fill: &[("branch B", "branch main")],
        ..fixes(
            "run `mycelium bridge enable taskqueue --branch B`",
            "mkdir ~/bin; cp $standin ~/bin/taskqueue-mcp; git switch -q --detach; mycelium bridge enable taskqueue",
            "mycelium bridge push",
        )
    },
    // Another one lies in the cache of npx.
    fixes(
        "install it again, or run `mycelium bridge enable taskqueue` to use another one",
        "mkdir ~/bin; cp $standin ~/bin/taskqueue-mcp; t 1; mycelium bridge enable taskqueue; rm ~/bin/taskqueue-mcp; \
         mkdir -p ~/.npm/_npx/150dfbccf1e61d4d/node_modules/.bin; \
         cp $standin ~/.npm/_npx/150dfbccf1e61d4d/node_modules/.bin/taskqueue-mcp",
        "mycelium bridge push",
    ),
    fixes(
        "run `mycelium config set --user coordination.taskqueue.command '[\"{}\"]'` if you trust it",
        "mkdir -p node_modules/.bin; cp $standin node_modules/.bin/taskqueue-mcp",
        "mycelium bridge enable taskqueue",
    ),
    fixes(
        "run `rm {}` if no TaskQueue server is at work",
        "mkdir ~/bin; cp $standin ~/bin/taskqueue-mcp; t 1; mycelium bridge enable taskqueue; mycelium bridge push; \
         touch -d '1 hour ago' ~/.local/share/taskqueue-mcp/tasks.json.lock",
        "mycelium bridge push",
    ),
    Scene {
        fill: &[("--steal", "--steal --as ann")],
        ..fixes(
            "in progress in TaskQueue for {}, and no agent holds it; `mycelium task claim {} --steal` takes it",
            "mkdir ~/bin; cp $standin ~/bin/taskqueue-mcp; t 1; mycelium bridge enable taskqueue; running; \
             mycelium config set coordination.taskqueue.task_timeout_seconds 1; mycelium bridge push; sleep 1.1",
            "mycelium bridge push",
        )
    },
];
