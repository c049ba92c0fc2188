//! Tells file systems whose changes can be made on another machine, unseen by this kernel. Reads a table of mounts; mounts nothing.

use std::path::Path;

/// Types of file system that report only what this machine does.
const REMOTE: &[&str] = &[
    "9p",
    "afs",
    "beegfs",
    "ceph",
    "cifs",
    "drvfs",
    "fuse.glusterfs",
    "fuse.rclone",
    "fuse.s3fs",
    "fuse.sshfs",
    "fuse.vmhgfs-fuse",
    "gfs2",
    "lustre",
    "ncpfs",
    "nfs",
    "nfs4",
    "prl_fs",
    "smb3",
    "smbfs",
    "vboxsf",
    "virtiofs",
];

/// The type of file system under a path, if it is a remote one; `mounts` is the text of `/proc/self/mountinfo`.
pub(super) fn remote_type(mounts: &str, path: &Path) -> Option<String> {
    type_of(mounts, path).filter(|kind| is_remote(kind))
}

/// Tells whether a type of file system can be changed by other machines.
pub(super) fn is_remote(kind: &str) -> bool {
    REMOTE.contains(&kind)
}

/// The type of file system under a path.
pub(super) fn type_of(mounts: &str, path: &Path) -> Option<String> {
    let mounted = mounts.lines().filter_map(|line| {
        // "36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw"
        let (place, source) = line.split_once(" - ")?;
        let point = unescape(place.split(' ').nth(4)?);
        let kind = source.split(' ').next()?;
        path.starts_with(&point).then_some((point.len(), kind))
    });
    // Of two mounts on one point the later covers the earlier; `max_by_key` keeps the last of equals.
    let (_, kind) = mounted.max_by_key(|(length, _)| *length)?;
    Some(kind.to_owned())
}

/// Blank, tab, newline and backslash stand as three octal digits.
fn unescape(text: &str) -> String {
    [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")]
        .iter()
        .fold(text.to_owned(), |text, (from, to)| text.replace(from, to))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTS: &str = "\
22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
40 22 0:35 / /media rw,relatime - nfs4 server:/media rw
41 40 8:2 / /media/me/local\\040disk rw - xfs /dev/sdb1 rw
42 22 0:36 / /mnt/c rw,noatime - 9p drvfs rw
43 42 8:3 / /mnt/c rw - ext4 /dev/sdc rw
a broken line
44 22 0:37 / /mnt/d rw - 9p drvfs rw
";

    #[test]
    fn the_nearest_and_latest_mount_decides() {
        for (path, expected) in [
            ("/srv/repo", None),
            ("/media/me/repo", Some("nfs4")),
            ("/media/me/local disk/repo", None),
            ("/mnt/c/repo", None),
            ("/mnt/d/repo", Some("9p")),
            ("/mnt/dd", None),
        ] {
            assert_eq!(remote_type(MOUNTS, Path::new(path)).as_deref(), expected, "{path}");
        }
        assert_eq!(remote_type("", Path::new("/")), None);
    }
}
