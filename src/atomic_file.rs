//! Files that are there whole or not at all, whenever somebody reads them or the host stops.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt, fchown};
use std::path::Path;

/// Puts `bytes` in the place of a file, or makes it, with this mode. With an `owner`, user and group are theirs.
///
/// # Errors
///
/// What failed. The file is as it was then.
pub(crate) fn replace(path: &Path, bytes: &[u8], mode: u32, owner: Option<(u32, u32)>) -> io::Result<()> {
    let folder = put(path, bytes, mode, owner, true)?;
    File::open(folder)?.sync_all()
}

/// The same of a file that is written anew all the time, whole for whoever reads it: the disk is not waited for, and the file may
/// be an older one, or none, after the host stopped.
pub(crate) fn publish(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    put(path, bytes, mode, None, false).map(drop)
}

/// Returns the folder of the file.
fn put<'p>(
    path: &'p Path,
    bytes: &[u8],
    mode: u32,
    owner: Option<(u32, u32)>,
    is_synced: bool,
) -> io::Result<&'p Path> {
    let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    let mut temporary = name.to_owned();
    temporary.push(format!(".{}.tmp", std::process::id()));
    let temporary = folder.join(temporary);
    // Of a process with this number that was killed.
    let _ = fs::remove_file(&temporary);
    let written =
        write(&temporary, bytes, mode, owner, is_synced).and_then(|()| fs::rename(&temporary, path));
    if written.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    written.map(|()| folder)
}

fn write(path: &Path, bytes: &[u8], mode: u32, owner: Option<(u32, u32)>, is_synced: bool) -> io::Result<()> {
    // Nobody else reads it before it is theirs.
    let mut file = File::options().write(true).create_new(true).mode(0o600).open(path)?;
    if let Some((user, group)) = owner {
        fchown(&file, Some(user), Some(group))?;
    }
    file.set_permissions(fs::Permissions::from_mode(mode))?;
    file.write_all(bytes)?;
    if is_synced { file.sync_all() } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_with_its_mode_and_nothing_is_left_beside_it() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("file");
        for (text, mode) in [("one", 0o600), ("two", 0o640)] {
            for write in [|path, bytes, mode| replace(path, bytes, mode, None), publish] {
                write(&path, text.as_bytes(), mode).expect("writable");
            }
            assert_eq!(fs::read_to_string(&path).expect("readable"), text);
            assert_eq!(fs::metadata(&path).expect("there").permissions().mode() & 0o777, mode);
        }
        assert_eq!(fs::read_dir(folder.path()).expect("readable").count(), 1);
        let missing = folder.path().join("missing/file");
        assert!(replace(&missing, b"", 0o600, None).is_err());
        // A folder cannot be replaced; what was written for it goes.
        fs::create_dir(folder.path().join("folder")).expect("writable");
        assert!(replace(&folder.path().join("folder"), b"", 0o600, None).is_err());
        assert_eq!(fs::read_dir(folder.path()).expect("readable").count(), 2);
    }
}
