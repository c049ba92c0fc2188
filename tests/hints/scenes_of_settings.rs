//! Scenes about settings, the bridge, and what the program puts in place.
use crate::scenes::{Scene, finds, fixes, instead, shows};

/// The scenes of this subject.
pub(crate) const SCENES: &[Scene] = &[
    Scene {
        fill: &[("SHELL", "bash")],
        ..finds(
            "name it: `mycelium completions SHELL`, one of {}",
            "",
            "SHELL=/bin/nothing mycelium completions",
            "complete -",
        )
    },
    instead("# or let `mycelium completions {} --install` add it", "", "SHELL=/bin/bash mycelium completions"),
    shows(
        "to read it: `mycelium man | man -l -`; to keep all: `mycelium man --install ~/.local/share/man`\\n",
        "",
        "script -qc 'mycelium man' /dev/null",
    ),
    Scene {
        fill: &[("VALUE", "x")],
        ..instead(
            "set REDIS_PASSWORD, or run `mycelium config set --user {} VALUE`",
            "",
            "mycelium config set coordination.redis.password x",
        )
    },
    Scene {
        fill: &[("NAME", "a")],
        ..instead("write `mycelium config set formats.NAME '{id} {title}'`", "", "mycelium config set 'formats.A b' x")
    },
    Scene {
        fill: &[("NAME", "a")],
        ..instead(
            "run `mycelium config set formats.NAME '{id} {title}'` with a name and a template that fit",
            "mkdir .mycelium; echo '{\"formats\": {\"a b\": \"{id}\"}}' > .mycelium/config.json",
            "mycelium check",
        )
    },
    finds(
        "run `mycelium config list` to see every key",
        "mkdir .mycelium; echo '{\"nothing\": 1}' > .mycelium/config.json",
        "mycelium check",
        "commit.auto ",
    ),
    finds(
        "run `mycelium config list` to see every key, and correct the file",
        "mkdir .mycelium; echo '{\"commit\": 1}' > .mycelium/config.json",
        "mycelium check",
        "commit.auto ",
    ),
    fixes(
        "run `mycelium config set --user markdown.durability full`",
        "mycelium config set --user markdown.durability off",
        "mycelium doctor",
    ),
    instead(
        "choose another name, as with `mycelium config set commit.branch coordination`",
        "",
        "mycelium config set commit.branch main/x",
    ),
    fixes(
        "run `mycelium config set commit.branch {} --untrack`",
        "t 1; mycelium config set commit.branch coordination",
        "mycelium doctor",
    ),
    fixes(
        "run `mycelium config set commit.branch {} --untrack` to stop that in one commit",
        "t 1",
        "mycelium config set commit.branch coordination",
    ),
    instead(
        "run `git add {} && {}` so that other clones do the same",
        "",
        "mycelium config set commit.branch coordination",
    ),
    instead(
        "run `git add {} && {}` so that other clones do the same",
        "mkdir sub",
        "cd sub; mycelium config set commit.branch coordination",
    ),
    instead(
        "for the other clones, run `git add {}` and commit it; each sets up its own driver",
        "t 1",
        "mycelium init --merge-driver",
    ),
];
