//! Verdicts on the server that documents are mirrored to. Pure.

use super::facts::{BridgeFacts, Reached, RedisFacts};
use super::judge::plural;
use super::{Check, Group, Verdict};
use crate::core::time::{Timestamp, ago};

/// From this on a server is slow for what is asked of it many times.
const LATENCY_MS_MAX: u64 = 50;
/// How the server throws keys away when its memory is full, if it does not.
const KEEPS: &str = "noeviction";

fn ok(name: &'static str, message: impl Into<String>) -> Check {
    Check::new(Group::Bridge, name, Verdict::Ok, message)
}

fn warning(name: &'static str, message: impl Into<String>) -> Check {
    Check::new(Group::Bridge, name, Verdict::Warning, message)
}

/// Everything about one backend.
pub(super) fn bridge(facts: &BridgeFacts, now: Timestamp) -> Vec<Check> {
    match facts {
        BridgeFacts::Untrusted { address } => vec![
            warning(
                "server",
                format!("{address} is named by the repository, and you have not agreed to it: it is not used"),
            )
            .fix("run `mycelium bridge enable` if you trust that server"),
        ],
        BridgeFacts::Found { address, hint } => {
            vec![ok("server", format!("TaskQueue is installed ({address}) and not enabled; {hint}"))]
        }
        BridgeFacts::Broken(fault) => {
            let broken = Check::new(Group::Bridge, "server", Verdict::Problem, fault.message.clone());
            vec![broken.maybe(fault.hint.as_ref())]
        }
        BridgeFacts::Wanted { reached: Err(fault), .. } => {
            let message = format!("{}; the files work alone", fault.message);
            vec![warning("server", message).maybe(fault.hint.as_ref()), mirror(facts, now)]
        }
        BridgeFacts::Wanted { reached: Ok(reached), .. } => {
            let mut checks = vec![server(facts, reached)];
            if let Some(redis) = &reached.redis {
                checks.push(rights(redis));
                checks.extend(eviction(redis));
            }
            checks.push(mirror(facts, now));
            checks
        }
    }
}

fn server(facts: &BridgeFacts, reached: &Reached) -> Check {
    let BridgeFacts::Wanted { address, .. } = facts else { return ok("server", "") };
    let message = format!("{} at {address} answers in {} ms", reached.name, reached.latency_ms);
    // A server that is a program of this machine has to start first.
    let Some(redis) = &reached.redis else { return ok("server", message) };
    if redis.is_replica {
        return warning("server", format!("{message}, but it is a replica and takes no writes"))
            .fix("give the address of the primary server");
    }
    if reached.latency_ms > LATENCY_MS_MAX {
        return warning("server", message).fix("use a server that is nearer, or expect changes to arrive late");
    }
    ok("server", message)
}

fn rights(reached: &RedisFacts) -> Check {
    if !reached.lacks.is_empty() {
        let message = format!("the user may not use {}", reached.lacks.join(", "));
        let check = warning("rights", message);
        return check.fix("give the user the rights that the page on Redis lists; without them changes are seen late");
    }
    ok("rights", if reached.tracks { "the server tells of every change" } else { "everything needed is permitted" })
}

fn eviction(reached: &RedisFacts) -> Option<Check> {
    let policy = reached.eviction.as_deref()?;
    Some(if policy == KEEPS {
        ok("eviction", "the server keeps what it has when its memory is full")
    } else {
        warning(
            "eviction",
            format!("`maxmemory-policy` is {policy}: keys vanish when the memory is full, and come back late"),
        )
        .fix("run `redis-cli config set maxmemory-policy noeviction`")
    })
}

fn mirror(facts: &BridgeFacts, now: Timestamp) -> Check {
    let BridgeFacts::Wanted { paused, follower, behind, held, garbage, last_pass, .. } = facts else {
        return ok("mirror", "");
    };
    if let Some(why) = paused {
        return warning("mirror", why.clone()).fix("check that branch out, or set `bridge.branch`");
    }
    let odd = held + garbage;
    if odd > 0 {
        let message = format!(
            "{} held back, {} on the server cannot be used",
            plural(*held, "document"),
            plural(*garbage, "key")
        );
        return warning("mirror", message).fix("run `mycelium bridge status` to see which");
    }
    let count = plural(usize::try_from(*behind).unwrap_or(usize::MAX), "document");
    let last = last_pass.map_or_else(|| "never compared".to_owned(), |at| format!("compared {} ago", ago(at, now)));
    match follower {
        Some(pid) => ok("mirror", format!("process {pid} follows; {count} behind, {last}")),
        None => warning("mirror", format!("no process follows; {count} behind, {last}"))
            .fix("run `mycelium watch --detach`, or `mycelium bridge push` once"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::facts::Fault;
    use super::*;

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_unix_ms(1_760_659_200_000 + ms)
    }

    fn wanted(reached: Result<Reached, Fault>) -> BridgeFacts {
        BridgeFacts::Wanted {
            address: "redis://h:1/0".to_owned(),
            reached,
            paused: None,
            follower: Some(7),
            behind: 0,
            held: 0,
            garbage: 0,
            last_pass: Some(at(0)),
        }
    }

    fn redis() -> RedisFacts {
        RedisFacts { is_replica: false, tracks: true, lacks: Vec::new(), eviction: Some(KEEPS.to_owned()) }
    }

    fn reached() -> Reached {
        with(redis())
    }

    fn with(redis: RedisFacts) -> Reached {
        Reached { name: "Redis 7.0.15".to_owned(), latency_ms: 1, redis: Some(redis) }
    }

    /// Everything that is not well, as `name verdict: message`.
    fn told(facts: &BridgeFacts) -> Vec<String> {
        let bad = bridge(facts, at(5_000)).into_iter().filter(|check| check.verdict != Verdict::Ok);
        bad.inspect(|check| assert!(check.fix.is_some(), "{check:?}"))
            .map(|check| format!("{} {}: {}", check.name, check.verdict.word(), check.message))
            .collect()
    }

    #[test]
    fn a_mirror_that_works_is_well() {
        let facts = wanted(Ok(reached()));
        assert_eq!(told(&facts), Vec::<String>::new());
        let names: Vec<_> = bridge(&facts, at(0)).iter().map(|check| check.name).collect();
        assert_eq!(names, ["server", "rights", "eviction", "mirror"]);
        // What may not be asked is not judged.
        let unknown = with(RedisFacts { eviction: None, ..redis() });
        assert_eq!(bridge(&wanted(Ok(unknown)), at(0)).len(), 3);
        // A program takes its time to start, and has neither rights nor a memory of its own.
        let program = Reached { name: "TaskQueue 1.4.1".to_owned(), latency_ms: 900, redis: None };
        assert_eq!(told(&wanted(Ok(program.clone()))), Vec::<String>::new());
        assert_eq!(bridge(&wanted(Ok(program)), at(0)).len(), 2);
        let found = BridgeFacts::Found { address: "a (f)".to_owned(), hint: "run it".to_owned() };
        assert_eq!(bridge(&found, at(0))[0].message, "TaskQueue is installed (a (f)) and not enabled; run it");
    }

    #[test]
    fn verdicts_on_the_server() {
        let fault = Fault { message: "refused".to_owned(), hint: Some("start it".to_owned()) };
        let replica = with(RedisFacts { is_replica: true, ..redis() });
        let slow = Reached { latency_ms: 51, ..reached() };
        let limited = with(RedisFacts { lacks: vec!["CLIENT TRACKING".to_owned()], ..redis() });
        let evicts = with(RedisFacts { eviction: Some("allkeys-lru".to_owned()), ..redis() });
        for (facts, expected) in [
            (
                BridgeFacts::Untrusted { address: "redis://h:1/0".to_owned() },
                "server warning: redis://h:1/0 is named by the repository, and you have not agreed to it: it is not used",
            ),
            (BridgeFacts::Broken(fault.clone()), "server problem: refused"),
            (wanted(Err(fault)), "server warning: refused; the files work alone"),
            (
                wanted(Ok(replica)),
                "server warning: Redis 7.0.15 at redis://h:1/0 answers in 1 ms, but it is a replica and takes no writes",
            ),
            (wanted(Ok(slow)), "server warning: Redis 7.0.15 at redis://h:1/0 answers in 51 ms"),
            (wanted(Ok(limited)), "rights warning: the user may not use CLIENT TRACKING"),
            (
                wanted(Ok(evicts)),
                "eviction warning: `maxmemory-policy` is allkeys-lru: keys vanish when the memory is full, and come back late",
            ),
        ] {
            assert_eq!(told(&facts), [expected]);
        }
    }

    #[test]
    fn verdicts_on_the_mirror() {
        type Change = fn(&mut Option<String>, &mut Option<u32>, &mut usize, &mut u64);
        let cases: [(Change, &str); 3] = [
            (|paused, _, _, _| *paused = Some("paused".to_owned()), "mirror warning: paused"),
            (|_, _, held, _| *held = 2, "mirror warning: 2 documents held back, 0 keys on the server cannot be used"),
            (
                |_, follower, _, behind| (*follower, *behind) = (None, 1),
                "mirror warning: no process follows; 1 document behind, compared 5s ago",
            ),
        ];
        for (change, expected) in cases {
            let mut facts = wanted(Ok(reached()));
            if let BridgeFacts::Wanted { paused, follower, held, behind, .. } = &mut facts {
                change(paused, follower, held, behind);
            }
            assert_eq!(told(&facts), [expected]);
        }
    }
}
