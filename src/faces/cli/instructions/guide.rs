//! The guide for an agent that has never seen Mycelium: short, and true. A test runs every command in it.

use std::time::Duration;

use crate::core::entity::span_text;
use crate::core::name::AgentName;

/// Bytes of a token, as a rule of thumb for English with commands: for saying how long the guide is.
const TOKEN_BYTES: usize = 4;

/// The guide for a folder with its lease, and for one agent where it is known who reads it.
pub(super) fn guide(folder: &str, agent: Option<&AgentName>, lease: Duration) -> String {
    let who = match agent {
        Some(agent) => format!("You act as `{agent}` (MYCELIUM_AGENT or `--as {agent}`)."),
        None => "Say who you are: set MYCELIUM_AGENT, or add `--as NAME` to each command.".to_owned(),
    };
    let edits = if folder.split('/').next() == Some(PROTECTED) { BY_COMMANDS } else { BY_TEXT };
    let text = GUIDE.replace("{folder}", folder).replace("{who}", &who).replace("{edits}", edits);
    text.replace("{lease}", &span_text(lease))
}

/// About how many tokens a text is.
pub(super) const fn tokens(text: &str) -> usize {
    text.len().div_ceil(TOKEN_BYTES)
}

/// A folder that Claude Code protects from its edit tools.
const PROTECTED: &str = ".claude";
const BY_COMMANDS: &str = "\
- Change these files with commands, not with an edit tool: Claude Code protects `.claude/`.";
const BY_TEXT: &str = "\
- You may edit the files as text instead: keep the `---` lines and the keys between them.";

const GUIDE: &str = "\
## Coordination with Mycelium

Tasks, agents and workflows are markdown files in `{folder}`.
Every change is committed by itself; do not `git add` or commit that folder.
{who}
An id may be shortened to a unique beginning. Add `--json` for answers to parse.

```sh
mycelium status                                  # who does what, what is ready
mycelium task list --status pending              # `next` in JSON goes on with --after
mycelium task get ID                             # all of a task: payload, steps, notes
mycelium task claim --next                       # take the most urgent one; prints its id
mycelium task update ID --progress 0.5           # this and each other command renews your lease
mycelium agent heartbeat                         # does too: run it in long work
mycelium task tick ID 1                          # step 1 is done
mycelium task note ID \"what the next one must know\"
mycelium task complete ID --result '{\"ok\": true}'
mycelium task release ID                         # or: another one is to do it
mycelium task fail ID --error \"why\"              # or: it cannot be done
mycelium task create --type TYPE --title \"...\"   # prints the new id; --depends-on ID, --step TEXT
mycelium log ID                                  # what happened to it
mycelium check                                   # what is wrong with the files
```

- Claim before you begin. A task is yours for {lease} from your last sign of life; after that you may
  finish it as long as no other agent took it. Never leave one: complete, fail or release it.
- Exit code 4: another agent has it, or the step is not allowed; do as the hint says. 75: try again.
- In a sandbox with a read-only `.git` all but taking a task works: ask for it outside.
{edits}
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_guide_is_short_and_names_folder_and_agent() {
        let agent = AgentName::new("ai-engineer").expect("valid");
        let lease = Duration::from_secs(1_800);
        let text = guide("docs/tasks", Some(&agent), lease);
        assert!(text.contains("edit the files as text") && !text.contains("Claude Code"));
        let protected = guide(".claude/coordination", None, lease);
        assert!(protected.contains("Claude Code protects") && !protected.contains("as text"));
        assert!(text.contains("`docs/tasks`") && text.contains("`ai-engineer`") && text.contains("for 30m from"));
        assert!(tokens(&text) <= 500, "{} tokens", tokens(&text));
        assert!(text.lines().all(|line| line.chars().count() <= 100));
        assert!(guide("x", None, Duration::from_secs(90)).contains("--as NAME"));
    }
}
