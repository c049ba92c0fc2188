//! Who has a task, decided by the server while it can be reached; and the set of data that this is decided in.

use std::time::Duration;

use redis::{Value, cmd};

use super::codec::{Keys, RedisKey};
use super::error::BridgeError;
use super::link::{Link, ms};
use super::news::{list, number, text};

/// A question for a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimAsk {
    /// The hash of the task.
    pub hash: String,
    /// Who asks.
    pub agent: String,
    /// From which clone.
    pub node: String,
    /// The fence in the file; 0 for none.
    pub fence: u64,
    /// For how long.
    pub lease: Duration,
    /// Also what somebody took from a queue and has not claimed.
    pub takes_popped: bool,
}

/// The answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClaimAnswer {
    /// The task is the agent's.
    Won {
        /// Its number; greater than every one before.
        fence: u64,
        /// Who had it before, for longer than was agreed.
        was: Option<String>,
    },
    /// It already was the agent's.
    Kept {
        /// Its number.
        fence: u64,
    },
    /// Somebody else has it.
    Lost {
        /// Who.
        holder: String,
        /// Its number.
        fence: u64,
        /// How long still.
        left: Duration,
    },
    /// Somebody popped it from a queue.
    Popped {
        /// How long it is still left alone.
        left: Duration,
    },
    /// It is done; its status.
    Ended(String),
    /// The server lost its data, and those who have tasks are still telling it so.
    Settling {
        /// How long still.
        left: Duration,
    },
}

/// Whether a lease goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Renewal {
    /// It does.
    Renewed,
    /// Somebody else has the task, or nobody.
    Lost {
        /// Who; empty for nobody.
        holder: String,
        /// Its number.
        fence: u64,
        /// How long still.
        left: Duration,
    },
}

/// The set of data on the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Space {
    /// Its id.
    pub id: String,
    /// How long until tasks can be claimed in it.
    pub opens_in: Duration,
    /// It was empty.
    pub is_new: bool,
    /// It is not the one that was known.
    pub has_changed: bool,
    /// The branch that is mirrored into it; empty if nobody has named one.
    pub branch: String,
}

impl Link {
    /// Asks for several tasks in one go, in a set of data and for a branch; the answers in the same order. If the server holds
    /// another set of data by now, nothing is decided. What is wrong with the keys of one task concerns that task alone.
    ///
    /// # Errors
    /// [`BridgeError`] if the connection is lost or there is no answer in time: the agents may have the tasks.
    pub fn claim_each(
        &self,
        asks: &[ClaimAsk],
        known: &str,
        branch: &str,
    ) -> Result<Vec<Result<ClaimAnswer, BridgeError>>, BridgeError> {
        let records: Vec<String> = asks.iter().map(|ask| self.keys().record(&ask.hash)).collect();
        let (popped, space) = (self.keys().own("popped"), self.keys().own("space"));
        let each: Vec<(Vec<&str>, Vec<Vec<u8>>)> = asks
            .iter()
            .zip(&records)
            .map(|(ask, record)| {
                let keys = vec![ask.hash.as_str(), record.as_str(), popped.as_str(), space.as_str()];
                (keys, claim_args(self.keys(), ask, known, branch))
            })
            .collect();
        let answers = self.run_apart(&self.scripts.claim, &each)?.into_iter();
        let read = |answer: Value| {
            let parts: Vec<String> = list(answer).unwrap_or_default().into_iter().filter_map(text).collect();
            read_claim(&parts).ok_or_else(|| self.place().protocol("a claim without an answer"))
        };
        Ok(answers.map(|answer| answer.and_then(read)).collect())
    }

    /// Gives several tasks back in one go: hash, agent and fence of each; whether it was the agent's.
    ///
    /// # Errors
    /// [`BridgeError`]. To do it again is harmless.
    pub fn unclaim_each(&self, claims: &[(String, String, u64)]) -> Result<Vec<bool>, BridgeError> {
        let records: Vec<String> = claims.iter().map(|(hash, ..)| self.keys().record(hash)).collect();
        let each: Vec<(Vec<&str>, Vec<Vec<u8>>)> = claims
            .iter()
            .zip(&records)
            .map(|((hash, agent, fence), record)| {
                let args = vec![agent.clone().into_bytes(), fence.to_string().into_bytes()];
                (vec![hash.as_str(), record.as_str()], args)
            })
            .collect();
        let answers = self.run_apart(&self.scripts.unclaim, &each)?.into_iter();
        Ok(answers.map(|answer| answer.ok().and_then(number) == Some(1)).collect())
    }

    /// Makes a lease last from now on; tells the server of it anew if it has forgotten.
    ///
    /// # Errors
    /// [`BridgeError`]. To do it again is harmless.
    pub fn renew(&self, ask: &ClaimAsk) -> Result<Renewal, BridgeError> {
        let answers = self.renew_each(std::slice::from_ref(ask))?;
        answers.into_iter().next().unwrap_or_else(|| Err(self.place().protocol("a renewal without an answer")))
    }

    /// Renews several leases in one go, each as [`Link::renew`] does; the answers in the same order.
    ///
    /// # Errors
    /// [`BridgeError`] if the connection is lost or there is no answer in time. To do it again is harmless.
    pub fn renew_each(&self, asks: &[ClaimAsk]) -> Result<Vec<Result<Renewal, BridgeError>>, BridgeError> {
        let records: Vec<String> = asks.iter().map(|ask| self.keys().record(&ask.hash)).collect();
        let each: Vec<(Vec<&str>, Vec<Vec<u8>>)> = asks
            .iter()
            .zip(&records)
            .map(|(ask, record)| {
                let args = [&ask.agent, &ask.node, &ask.fence.to_string(), &ms(ask.lease).to_string()];
                (vec![ask.hash.as_str(), record.as_str()], args.map(|arg| arg.as_bytes().to_vec()).to_vec())
            })
            .collect();
        let read = |answer: Value| {
            let parts: Vec<String> = list(answer).unwrap_or_default().into_iter().filter_map(text).collect();
            read_renewal(&parts).ok_or_else(|| self.place().protocol("a renewal without an answer"))
        };
        let answers = self.run_apart(&self.scripts.renew, &each)?.into_iter();
        Ok(answers.map(|answer| answer.and_then(read)).collect())
    }

    /// The set of data on the server; `None` if nobody has come to it yet.
    ///
    /// # Errors
    /// [`BridgeError`].
    pub fn space(&self) -> Result<Option<String>, BridgeError> {
        let mut look = cmd("HGET");
        look.arg(self.keys().own("space")).arg("id");
        Ok(text(self.one(&look)?))
    }

    /// Comes to the set of data on the server. If it is not the one that was `known` (empty for none), no task can be
    /// claimed for the `quiet` time, so that those who have some can tell. `fresh` is its id if there is none yet.
    /// `branch` is the one that is mirrored there; the first who names one decides which it is.
    ///
    /// # Errors
    /// [`BridgeError`]. To do it again is harmless.
    pub fn enter_space(&self, known: &str, fresh: &str, quiet: Duration, branch: &str) -> Result<Space, BridgeError> {
        let space = self.keys().own("space");
        let args = [known.into(), fresh.into(), quiet.as_millis().to_string().into(), branch.into()];
        let answer = self.run(&self.scripts.space, &[&space], &args)?;
        let mut parts = list(answer).unwrap_or_default().into_iter();
        let mut read = || {
            Some(Space {
                id: text(parts.next()?)?,
                opens_in: Duration::from_millis(number(parts.next()?)?),
                is_new: number(parts.next()?)? == 1,
                has_changed: number(parts.next()?)? == 1,
                branch: text(parts.next()?)?,
            })
        };
        read().ok_or_else(|| self.place().protocol("a set of data without an id"))
    }
}

fn claim_args(own: &Keys, ask: &ClaimAsk, known: &str, branch: &str) -> Vec<Vec<u8>> {
    let id = match own.parse(&ask.hash) {
        Some(RedisKey::Document(_, id)) => id,
        _ => ask.hash.clone(),
    };
    let (fence, lease) = (ask.fence.to_string(), ms(ask.lease).to_string());
    let popped_too = if ask.takes_popped { "1" } else { "" };
    let args = [&ask.agent, &ask.node, &fence, &lease, &id, known, popped_too, branch];
    args.map(|arg| arg.as_bytes().to_vec()).to_vec()
}

fn read_claim(parts: &[String]) -> Option<ClaimAnswer> {
    let number = |at: usize| parts.get(at)?.parse().ok();
    let left = |at| number(at).map(Duration::from_millis);
    Some(match parts.first()?.as_str() {
        "won" => ClaimAnswer::Won { fence: number(1)?, was: parts.get(2).filter(|was| !was.is_empty()).cloned() },
        "kept" => ClaimAnswer::Kept { fence: number(1)? },
        "lost" => ClaimAnswer::Lost { holder: parts.get(1)?.clone(), fence: number(2)?, left: left(3)? },
        "popped" => ClaimAnswer::Popped { left: left(1)? },
        "ended" => ClaimAnswer::Ended(parts.get(1)?.clone()),
        "settling" => ClaimAnswer::Settling { left: left(1)? },
        _ => return None,
    })
}

fn read_renewal(parts: &[String]) -> Option<Renewal> {
    match parts {
        [word] if word == "renewed" => Some(Renewal::Renewed),
        [word, holder, fence, left] if word == "lost" => Some(Renewal::Lost {
            holder: holder.clone(),
            fence: fence.parse().ok()?,
            left: Duration::from_millis(left.parse().ok()?),
        }),
        _ => None,
    }
}
