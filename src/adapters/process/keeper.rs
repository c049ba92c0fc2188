//! The keeper of process groups: a process of its own that ends the commands of a worker when the worker is gone, however it died.

use std::io::{self, Write as _};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{ProcessGroup, SHELL};

/// Reads `+ GROUP` and `- GROUP`; at the end of its input, which comes with the end of the worker, it kills the groups that it
/// knows. Nothing else ends it but SIGKILL.
const SCRIPT: &str = r#"
trap '' INT TERM HUP QUIT PIPE
groups=' '
while IFS=' ' read -r sign group; do
  case $sign in
    +) groups="$groups$group " ;;
    -) case $groups in *" $group "*) groups="${groups%% $group *} ${groups#* $group }" ;; esac ;;
  esac
done
for group in $groups; do kill -9 "-$group" 2>/dev/null; done
"#;

/// Ends the commands of this process when this process is gone, also where it is killed.
#[derive(Debug)]
pub struct GroupKeeper {
    lines: Mutex<Option<ChildStdin>>,
    child: Mutex<Child>,
}

impl GroupKeeper {
    /// Starts one. It keeps `held` open for as long as it runs.
    ///
    /// # Errors
    /// If it cannot be started.
    pub fn start(held: impl Into<Stdio>) -> io::Result<Self> {
        let mut command = Command::new(SHELL);
        command.args(["-c", SCRIPT, "mycelium-keeper"]).process_group(0);
        let mut child = command.stdin(Stdio::piped()).stdout(held).stderr(Stdio::null()).spawn()?;
        Ok(Self { lines: Mutex::new(child.stdin.take()), child: Mutex::new(child) })
    }

    /// Makes known a group that runs from now on.
    ///
    /// # Errors
    /// If the keeper is gone.
    pub(super) fn add(&self, group: ProcessGroup) -> io::Result<()> {
        self.send('+', group)
    }

    /// Makes known that a group has ended.
    pub(super) fn remove(&self, group: ProcessGroup) {
        // Without a keeper there is none that could end another group of that id.
        let _ = self.send('-', group);
    }

    fn send(&self, sign: char, group: ProcessGroup) -> io::Result<()> {
        let mut lines = lock(&self.lines);
        let lines = lines.as_mut().ok_or_else(|| io::Error::from(io::ErrorKind::BrokenPipe))?;
        lines.write_all(format!("{sign} {}\n", group.id()).as_bytes())
    }
}

impl Drop for GroupKeeper {
    fn drop(&mut self) {
        *lock(&self.lines) = None;
        let _ = lock(&self.child).wait();
    }
}

fn lock<T>(value: &Mutex<T>) -> MutexGuard<'_, T> {
    value.lock().unwrap_or_else(PoisonError::into_inner)
}
