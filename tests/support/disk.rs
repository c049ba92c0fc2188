//! A disk that can lose its power: a file with a file system in it, mounted, and shut down without a flush.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use super::has_program;

/// Large enough for the smallest XFS.
pub(crate) const DISK_BYTES: u64 = 320 * 1024 * 1024;

/// A mounted file system of its own.
///
/// Its loop device is attached once and stays until the end. `mount -o loop` would attach it each time and let the kernel detach
/// it with the unmount; a program that looks through the loop devices at that moment, as every other `mount -o loop` does, delays
/// that, and the next mount is then given a device that is about to go: its reads fail.
pub(crate) struct Disk {
    /// How it is mounted.
    options: &'static str,
    device: LoopDevice,
    mount: PathBuf,
    _own: tempfile::TempDir,
}

/// A block device whose bytes are in a file; detached when dropped.
struct LoopDevice(String);

impl Disk {
    /// Makes and mounts one (`ext4` or `xfs`), or says why this machine cannot.
    pub(crate) fn new(kind: &str, bytes: u64) -> Result<Self, String> {
        Self::with(kind, bytes, &[])
    }

    /// The same with more options for `mkfs`.
    pub(crate) fn with(kind: &str, bytes: u64, options: &[&str]) -> Result<Self, String> {
        for program in [&format!("mkfs.{kind}"), "xfs_io", "losetup", "mount"] {
            if !has_program(program) {
                return Err(format!("`{program}` is missing"));
            }
        }
        let own = tempfile::tempdir().unwrap();
        // By itself ext4 forces its journal every 5 seconds: on a busy machine that would hide a missing sync now and then.
        let how = if kind == "ext4" { "commit=300" } else { "rw" };
        let (image, mount) = (own.path().join("image"), own.path().join("mount"));
        fs::create_dir(&mount).unwrap();
        fs::File::create(&image).unwrap().set_len(bytes).unwrap();
        let force = if kind == "xfs" { "-f" } else { "-F" };
        run(Command::new(format!("mkfs.{kind}")).args(["-q", force]).args(options).arg(&image))?;
        let cannot = |error| format!("a loop device cannot be mounted (needs root): {error}");
        let device = LoopDevice::attach(&image).map_err(cannot)?;
        let disk = Self { options: how, device, mount, _own: own };
        disk.plug_in().map_err(cannot)?;
        Ok(disk)
    }

    /// Where its files are.
    pub(crate) fn path(&self) -> &Path {
        &self.mount
    }

    /// Loses everything that was not forced to the disk, then mounts what is left.
    pub(crate) fn cut_power(&self) {
        self.shut_down();
        self.plug_in_again();
    }

    /// The power goes: nothing that is not on the disk now gets there any more, and every program that tries fails.
    pub(crate) fn shut_down(&self) {
        run(Command::new("xfs_io").args(["-x", "-c", "shutdown"]).arg(&self.mount)).expect("the disk shuts down");
    }

    /// Mounts what is left after [`Disk::shut_down`].
    pub(crate) fn plug_in_again(&self) {
        // A git that packs in the background may need a moment to see that its disk is gone.
        let start = Instant::now();
        while let Err(why) = run(Command::new("umount").arg(&self.mount)) {
            assert!(start.elapsed() < Duration::from_secs(10), "somebody uses the disk: {why}");
            std::thread::sleep(Duration::from_millis(20));
        }
        self.plug_in().expect("the disk can be mounted again");
    }

    /// Forces everything to the disk.
    pub(crate) fn settle(&self) {
        run(Command::new("sync").arg("--file-system").arg(&self.mount)).expect("the disk takes it");
    }

    /// What another program on the same disk may do at any time: it forces its own file, and with it the journal.
    pub(crate) fn other_program_writes(&self) {
        let path = self.mount.join("other");
        fs::write(&path, "other").unwrap();
        fs::File::open(&path).unwrap().sync_all().unwrap();
    }

    /// Mounts it again with an option such as `ro`, while it is in use.
    pub(crate) fn remount(&self, option: &str) {
        assert!(self.try_remount(option), "the disk can be mounted again");
    }

    /// The same; false if the system refuses, as it does while somebody writes.
    pub(crate) fn try_remount(&self, option: &str) -> bool {
        let options = format!("remount,{option}");
        run(Command::new("mount").args(["-o", &options]).arg(&self.mount)).is_ok()
    }

    fn plug_in(&self) -> Result<(), String> {
        run(Command::new("mount").args(["-o", self.options, &self.device.0]).arg(&self.mount)).map(drop)
    }
}

impl LoopDevice {
    fn attach(image: &Path) -> Result<Self, String> {
        run(Command::new("losetup").args(["--find", "--show"]).arg(image)).map(Self)
    }
}

impl Drop for LoopDevice {
    fn drop(&mut self) {
        // Where it is still mounted, the kernel detaches it with the unmount.
        let _ = Command::new("losetup").args(["--detach", &self.0]).output();
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Lazily: a test that failed may still have a program on it.
        let _ = Command::new("umount").arg("--lazy").arg(&self.mount).output();
    }
}

/// What a program prints, or its complaint.
fn run(command: &mut Command) -> Result<String, String> {
    let output = command.output().map_err(|error| error.to_string())?;
    let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().replace('\n', "; ");
    if output.status.success() { Ok(said(&output.stdout)) } else { Err(said(&output.stderr)) }
}
