//! Scenes about the bridge, with a real server: `$url` is its address, with a database of the scene's own.
use crate::scenes::{Scene, finds, fixes, instead};

/// A task in a folder that is mirrored.
const MIRRORED: &str = "t 1; mycelium bridge enable $url; mycelium bridge push";
/// The same, with the task in its queue: a push that took too long leaves the queues to the next one.
const QUEUED: &str = "t 1; mycelium bridge enable $url; \
     for n in $(seq 20); do mycelium bridge push --json | grep -q '\"normal\":1' && break; done";
/// Two of them, where another clone has removed every document here and on the server.
const REMOVED_THERE: &str = "t 1; t 2; mycelium bridge enable $url; mycelium bridge push; git clone -q . ../other; \
     (cd ../other; git config user.name o; git config user.email o; mycelium bridge enable $url; mycelium bridge pull; \
     rm .claude/coordination/*.md; mycelium commit --force; mycelium bridge push --force)";
/// Starts a watcher, waits until it has said that documents are held back, and ends it.
const WATCH: &str = "mycelium watch >../said 2>&1 & pid=$!; for n in $(seq 200); do \
     mycelium bridge status | grep -q held && break; sleep 0.05; done; kill $pid; wait $pid; mycelium bridge status";

/// The scenes of this subject.
pub(crate) const SCENES: &[Scene] = &[
    Scene {
        asks: &["RPOP", "tasks:queue:normal"],
        ..instead(
            "if that was you, run `mycelium task claim {} --force`",
            QUEUED,
            "for n in 1 2 3; do mycelium bridge push; done; mycelium task claim task-1 --as ann --require-mode redis",
        )
    },
    fixes(
        "it has changes of others: `mycelium bridge pull` takes them",
        "t 1; mycelium bridge enable $url; mycelium bridge push; git clone -q . ../other; \
         (cd ../other; git config user.name o; git config user.email o; mycelium bridge enable $url; \
         mycelium task update task-1 --progress 0.4; mycelium bridge push)",
        "mycelium bridge push",
    ),
    // Far away: its answers took 40 ms, and now it says nothing within a brief look.
    Scene {
        asks: &["CLIENT", "PAUSE", "3000", "ALL"],
        fill: &[("watch`", "watch --detach`")],
        ..finds(
            "run `mycelium bridge detect`, or keep `mycelium watch` running",
            "t 1; mycelium bridge enable $url; \
             sed -i 's/\"checked\":[0-9]*/\"checked\":1/; s/\"answer_ms\":[0-9]*/\"answer_ms\":40/' \
             .git/mycelium/bridge/health.json",
            "mycelium bridge status",
            "mode redis",
        )
    },
    Scene {
        fill: &[("branch B", "branch main")],
        ..fixes(
            "run `mycelium bridge enable --branch B`",
            "git switch -q --detach; mycelium bridge enable $url",
            "mycelium bridge push",
        )
    },
    fixes(
        "run `mycelium bridge enable` to agree to it, or `mycelium config list` to see it",
        "mycelium config set --user coordination.redis.url $url; mkdir .mycelium; \
         echo '{\"coordination\": {\"redis\": {\"prefix\": \"x:\"}}}' > .mycelium/config.json",
        "mycelium bridge push",
    ),
    fixes(
        "run `mycelium bridge enable` if you trust that server",
        "mkdir .mycelium; echo '{\"coordination\": {\"redis\": {\"url\": \"'$url'\"}}}' > .mycelium/config.json",
        "mycelium bridge push",
    ),
    fixes(
        "run `mycelium bridge enable` if you trust that server",
        "mkdir .mycelium; echo '{\"coordination\": {\"redis\": {\"url\": \"'$url'\"}}}' > .mycelium/config.json",
        "mycelium doctor",
    ),
    fixes(
        "run `mycelium bridge enable` if you trust that server",
        "mkdir .mycelium; echo '{\"coordination\": {\"redis\": {\"url\": \"'$url'\"}}}' > .mycelium/config.json",
        "mycelium bridge status",
    ),
    Scene {
        asks: &["SET", "tasks:bad", "x"],
        ..finds(
            "run `mycelium bridge status` to see which",
            MIRRORED,
            "mycelium bridge push; mycelium doctor",
            "tasks:bad: its key holds a string",
        )
    },
    fixes("run `mycelium watch --detach`, or `mycelium bridge push` once", MIRRORED, "mycelium doctor"),
    // The server lost its data, and decides when all who may have a task have had the time to say so.
    Scene {
        asks: &["FLUSHDB"],
        by_hand: "sleep 1; mycelium task claim task-1 --as ann --require-mode redis && ",
        ..finds(
            "try again; `mycelium bridge status` says how the server is",
            "mycelium config set claim.lease 1s; t 1; t 2; mycelium bridge enable $url; mycelium bridge push; \
             mycelium task claim task-2 --as ben",
            "mycelium task claim task-1 --as ann --require-mode redis",
            "task-1 claimed by ann",
        )
    },
    // What was removed there is removed here by `pull`, and what was removed here is removed there by `push`.
    fixes("run `mycelium bridge {} --force` if that is meant", REMOVED_THERE, WATCH),
    fixes(
        "run `mycelium bridge {} --force` if that is meant",
        "t 1; t 2; mycelium bridge enable $url; mycelium bridge push; rm .claude/coordination/*.md; mycelium commit --force",
        WATCH,
    ),
    Scene {
        fill: &[("URL", "$url")],
        ..fixes(
            "set REDIS_URL, or run `mycelium bridge enable URL` or `mycelium bridge enable taskqueue`",
            "mkdir ~/bin; cp $standin ~/bin/taskqueue-mcp; t 1",
            "mycelium bridge push",
        )
    },
    Scene {
        fill: &[("URL", "$url")],
        ..fixes("set REDIS_URL, or run `mycelium bridge enable URL`", "t 1", "mycelium bridge push --backend redis")
    },
];
