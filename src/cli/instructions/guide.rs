//! The guide for an agent that has never seen Mycelium: short, and true. A test runs every command in it.

use crate::name::AgentName;

/// Bytes of a token, as a rule of thumb for English with commands: for saying how long the guide is.
const TOKEN_BYTES: usize = 4;

/// The guide for a folder, and for one agent where it is known who reads it.
pub(super) fn guide(folder: &str, agent: Option<&AgentName>) -> String {
    let who = match agent {
        Some(agent) => format!("You act as `{agent}` (MYCELIUM_AGENT or `--as {agent}`)."),
        None => "Say who you are: set MYCELIUM_AGENT, or add `--as NAME` to each command.".to_owned(),
    };
    GUIDE.replace("{folder}", folder).replace("{who}", &who)
}

/// About how many tokens a text is.
pub(super) const fn tokens(text: &str) -> usize {
    text.len().div_ceil(TOKEN_BYTES)
}

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
mycelium task update ID --status running         # take it before you begin
mycelium task update ID --progress 0.5
mycelium task tick ID 1                          # step 1 is done
mycelium task note ID \"what the next one must know\"
mycelium task complete ID --result '{\"ok\": true}'
mycelium task fail ID --error \"why\"              # or: it cannot be done
mycelium task create --type TYPE --title \"...\"   # prints the new id; --depends-on ID, --step TEXT
mycelium log ID                                  # what happened to it
mycelium check                                   # what is wrong with the files
```

- Take only a task that is ready: pending, and all that it depends on completed.
- Exit code 4: somebody was faster or the step is not allowed; read the hint, look
  again with `mycelium task get ID`. 75: try again in a moment. Others: do as the hint says.
- You may edit the files as text instead: keep the `---` lines and the keys between them.
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_guide_is_short_and_names_folder_and_agent() {
        let agent = AgentName::new("ai-engineer").expect("valid");
        let text = guide("docs/tasks", Some(&agent));
        assert!(text.contains("`docs/tasks`") && text.contains("`ai-engineer`"));
        assert!(tokens(&text) <= 500, "{} tokens", tokens(&text));
        assert!(text.lines().all(|line| line.chars().count() <= 100));
        assert!(guide("x", None).contains("--as NAME"));
    }
}
