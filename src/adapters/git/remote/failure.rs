//! What git says when a remote cannot be used, and whether it is worth trying again. Pure: words in, a verdict out.

use crate::adapters::git::program::{Answer, NO_ANSWER};
use crate::core::name::visible;

/// Most lines of a server's answer that are shown.
const LINES_MAX: usize = 5;

/// What git says behind every reason.
const NOISE: [&str; 3] = [
    "Could not read from remote repository.",
    "Please make sure you have the correct access rights",
    "and the repository exists.",
];

/// Words of git for a push that came too late: another one was faster.
const RACED: [&str; 8] = [
    "fetch first",
    "non-fast-forward",
    "stale info",
    "cannot lock ref",
    "failed to lock",
    "failed to update ref",
    "incorrect old value provided",
    "reference already exists",
];

/// Words of git, curl and ssh for an address that this git cannot or may not use.
const TRANSPORT: [&str; 20] = [
    "' not allowed",
    "unable to find remote helper",
    "is not a git command",
    "aborted session",
    "' is not supported",
    "unsupported protocol",
    "not supported or disabled in libcurl",
    "cannot run ",
    "strange hostname",
    "strange pathname",
    "no path specified",
    "unable to parse",
    "has no scheme",
    "bad port",
    "port number ",
    "url rejected",
    "url using bad/illegal format",
    "malformed input to a url",
    "bad hostname",
    "invalid url",
];

/// Words for a server that answers, and does not let this user in; or that this user's programs do not trust.
const ACCESS: [&str; 23] = [
    "could not read username",
    "could not read password",
    "terminal prompts disabled",
    "unable to get password",
    "authentication failed",
    "too many authentication failures",
    "no more authentication methods",
    "permission denied",
    "access denied",
    "host key verification failed",
    "returned error: 401",
    "returned error: 403",
    "returned error: 407",
    "response 407",
    "invalid credentials",
    "invalid username or",
    "certificate",
    "dubious ownership",
    "not authorized",
    "unauthorized",
    "load key",
    "sign_and_send_pubkey",
    "requires authentication",
];

/// Words for a server that has no such repository, or hides it from this user.
const MISSING: [&str; 9] = [
    "' not found",
    "repository not found",
    "does not appear to be a git repository",
    "returned error: 404",
    "returned error: 410",
    "is this a git repository?",
    "could not be found",
    "could not find repository",
    "not a git repository",
];

/// Words for a fault of this repository or this machine.
const HERE: [&str; 8] = [
    "bad object",
    "fsck error",
    "no space left",
    "disk quota exceeded",
    "read-only file system",
    "unable to create temporary",
    "insufficient permission for adding",
    "too many open files",
];

/// Says why a remote could not be asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteFailure {
    /// What has to change.
    pub kind: FailureKind,
    /// Git's last words, without passwords.
    pub why: String,
    /// Settings of the repository for ways to a server, which count for git and not for us.
    pub ignored: Vec<String>,
}

/// What has to change before a remote can be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureKind {
    /// Nothing here: the same call may succeed later.
    Unreachable,
    /// Nothing, or the limit: it did not come to an end in time.
    TooSlow,
    /// The address: git has no transport for it, or may not use it.
    Transport,
    /// The user's access: a key, a password, a certificate.
    Access,
    /// The address, or the server: there is no such repository.
    Missing,
    /// This repository or machine.
    Here,
}

/// What a server said of a push.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::adapters::git) enum PushAnswer {
    Accepted,
    Raced,
    Refused {
        why: String,
    },
    /// It said nothing.
    None,
}

/// Says what has to change, from what git said. A path on this machine where nothing is may be a disk that is not mounted.
pub(in crate::adapters::git) fn classify(said: &[String], is_absent: bool) -> FailureKind {
    let lines: Vec<String> = said.iter().map(|line| line.to_ascii_lowercase()).collect();
    let has = |words: &[&str]| lines.iter().any(|line| words.iter().any(|words| line.contains(words)));
    match () {
        () if has(&[NO_ANSWER]) => FailureKind::TooSlow,
        () if has(&HERE) => FailureKind::Here,
        () if has(&TRANSPORT) => FailureKind::Transport,
        () if has(&ACCESS) => FailureKind::Access,
        () if has(&MISSING) && !is_absent => FailureKind::Missing,
        () => FailureKind::Unreachable,
    }
}

/// What git said last, without its own advice.
pub(in crate::adapters::git) fn last_words(answer: &Answer) -> String {
    let words = |line: &String| {
        let line = ["fatal: ", "error: ", "remote: "]
            .iter()
            .fold(line.as_str(), |line, start| line.strip_prefix(start).unwrap_or(line));
        let is_noise = line.trim().is_empty() || line.starts_with("hint:") || NOISE.contains(&line.trim());
        (!is_noise).then(|| line.trim().to_owned())
    };
    let lines: Vec<String> = answer.said.iter().filter_map(words).collect();
    if lines.is_empty() {
        return format!("git ended with the exit code {:?}", answer.code);
    }
    lines.into_iter().take(LINES_MAX).collect::<Vec<_>>().join("; ")
}

/// Reads `!\t<from>:<to>\t[remote rejected] (reason)` and the server's own words.
pub(in crate::adapters::git) fn read_push(answer: &Answer) -> PushAnswer {
    let text = String::from_utf8_lossy(&answer.stdout).into_owned();
    let Some(verdict) = text.lines().find(|line| line.starts_with("!\t")) else {
        // A verdict that is no refusal is the server's word, however git ends.
        let is_taken = text.lines().any(|line| line.chars().nth(1) == Some('\t'));
        let is_accepted = answer.code == Some(0) || is_taken;
        return if is_accepted { PushAnswer::Accepted } else { PushAnswer::None };
    };
    let reason = verdict.rsplit('\t').next().unwrap_or_default();
    let is_raced = |text: &str| RACED.iter().any(|words| text.contains(words));
    if is_raced(reason) {
        return PushAnswer::Raced;
    }
    let said = answer.said.iter().filter_map(|line| line.strip_prefix("remote: ")).map(str::trim);
    let said: Vec<&str> = said.filter(|line| !line.is_empty()).take(LINES_MAX).collect();
    let short = reason.rsplit_once('(').map_or(reason, |(_, why)| why.trim_end_matches(')'));
    let why = if said.is_empty() { visible(short) } else { format!("{}: {}", visible(short), said.join("; ")) };
    PushAnswer::Refused { why }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(code: i32, stdout: &str, said: &[&str]) -> Answer {
        let said = said.iter().map(|line| (*line).to_owned()).collect();
        Answer { code: Some(code), stdout: stdout.as_bytes().to_vec(), stderr: String::new(), said }
    }

    #[test]
    fn the_answer_to_a_push_is_read() {
        let line = |verdict: &str| format!("To /r\n!\tabc:refs/heads/main\t{verdict}\nDone\n");
        let accepted = "To /r\n \tabc:refs/heads/main\ta..b\nDone\n";
        assert_eq!(read_push(&answer(0, accepted, &[])), PushAnswer::Accepted);
        let new = "To /r\n*\tabc:refs/heads/main\t[new branch]\n";
        assert_eq!(read_push(&answer(1, new, &[])), PushAnswer::Accepted);
        for raced in [
            "[rejected] (fetch first)",
            "[rejected] (non-fast-forward)",
            "[remote rejected] (cannot lock ref 'refs/heads/main': is at a but expected b)",
            "[remote rejected] (incorrect old value provided)",
        ] {
            assert_eq!(read_push(&answer(1, &line(raced), &[])), PushAnswer::Raced, "{raced}");
        }
        let said = ["remote: main is protected        ", "error: failed to push some refs to '/r'"];
        let refused = read_push(&answer(1, &line("[remote rejected] (pre-receive hook declined)"), &said));
        assert_eq!(refused, PushAnswer::Refused { why: "pre-receive hook declined: main is protected".to_owned() });
        let gone = answer(128, "", &["fatal: '/r' does not appear to be a git repository"]);
        assert_eq!(read_push(&gone), PushAnswer::None);
        assert_eq!(last_words(&gone), "'/r' does not appear to be a git repository");
    }

    #[test]
    fn what_cannot_work_is_known_from_what_may_work_later() {
        use FailureKind::{Access, Here, Missing, TooSlow, Transport, Unreachable};
        for (words, kind) in [
            ("fatal: transport 'evil' not allowed", Transport),
            ("git: 'remote-evil' is not a git command. See 'git --help'.", Transport),
            ("fatal: unable to find remote helper for 'gopher'", Transport),
            ("fatal: protocol 'x' is not supported", Transport),
            ("error: cannot run ssh: No such file or directory", Transport),
            ("fatal: unable to access 'https://h:x/': URL rejected: Port number was not a decimal number", Transport),
            ("fatal: strange hostname '-oProxyCommand=x' blocked", Transport),
            ("fatal: could not read Username for 'https://h': terminal prompts disabled", Access),
            ("fatal: Authentication failed for 'https://h/x/'", Access),
            ("git@h: Permission denied (publickey).", Access),
            ("Host key verification failed.", Access),
            ("fatal: unable to access 'https://h/': The requested URL returned error: 403", Access),
            ("fatal: unable to access 'https://h/': server certificate verification failed. CAfile: none", Access),
            ("fatal: detected dubious ownership in repository at '/r'", Access),
            ("fatal: repository 'https://h/x/' not found", Missing),
            ("ERROR: Repository not found.", Missing),
            ("fatal: '/r' does not appear to be a git repository", Missing),
            ("fatal: http://h/x/info/refs not valid: is this a git repository?", Missing),
            ("fatal: bad object refs/remotes/origin/main", Here),
            ("fatal: fsck error in packed object", Here),
            ("error: unable to create temporary file: No space left on device", Here),
            ("not done within 300 s", TooSlow),
            ("ssh: connect to host h port 22: Connection refused", Unreachable),
            ("ssh: Could not resolve hostname h: Temporary failure in name resolution", Unreachable),
            ("fatal: unable to access 'https://h/': Could not resolve host: h", Unreachable),
            ("fatal: unable to access 'https://h/': The requested URL returned error: 503", Unreachable),
            ("fatal: unable to connect to h:", Unreachable),
            ("fatal: the remote end hung up unexpectedly", Unreachable),
            ("fetch-pack: unexpected disconnect while reading sideband packet", Unreachable),
        ] {
            assert_eq!(classify(&[words.to_owned()], false), kind, "{words}");
        }
        let gone = ["fatal: '/r' does not appear to be a git repository".to_owned()];
        assert_eq!(classify(&gone, true), Unreachable, "a disk that is not mounted");
    }
}
