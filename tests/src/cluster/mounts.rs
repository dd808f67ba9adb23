//! Lists and removes mounts, from the kernel's list of the caller's mount namespace.

use std::path::{Path, PathBuf};

use super::Error;
use crate::exec;

/// All mount points of the caller's mount namespace, in the order they were mounted.
pub(super) fn points() -> Result<Vec<PathBuf>, Error> {
    let path = "/proc/self/mountinfo";
    let text = std::fs::read_to_string(path).map_err(Error::io(path))?;
    Ok(text.lines().filter_map(|line| line.split(' ').nth(4)).map(unescape).collect())
}

/// Unmounts everything at or below a folder, last mounted first.
pub(super) async fn unmount_below(dir: &Path) -> Result<(), Error> {
    // Unmounting may uncover another mount, so there are several rounds.
    for _ in 0..3 {
        let below: Vec<PathBuf> =
            points()?.into_iter().filter(|point| point.starts_with(dir)).collect();
        if below.is_empty() {
            return Ok(());
        }
        for point in below.iter().rev() {
            // Lazy, because a process that was just killed may still use it.
            let _ = exec::output("umount", ["--lazy".as_ref(), point.as_os_str()]).await;
        }
    }
    let left: Vec<String> = points()?
        .iter()
        .filter(|point| point.starts_with(dir))
        .map(|point| format!("mount {}", point.display()))
        .collect();
    if left.is_empty() { Ok(()) } else { Err(Error::Leftovers(left)) }
}

/// Undoes the octal escapes of blanks and backslashes (see proc_pid_mountinfo(5)).
fn unescape(text: &str) -> PathBuf {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('\\') {
        plain.push_str(before);
        let code = after.get(..3).and_then(|digits| u8::from_str_radix(digits, 8).ok());
        if let Some(code) = code {
            plain.push(char::from(code));
            rest = after.get(3..).unwrap_or_default();
        } else {
            plain.push('\\');
            rest = after;
        }
    }
    plain.push_str(rest);
    plain.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn octal_escapes_are_undone() {
        assert_eq!(unescape(r"/a\040b\134c"), Path::new(r"/a b\c"));
        assert_eq!(unescape("/plain"), Path::new("/plain"));
        assert_eq!(unescape(r"/odd\9"), Path::new(r"/odd\9"));
    }

    #[test]
    fn the_root_is_a_mount_point() {
        assert!(points().expect("mountinfo").contains(&PathBuf::from("/")));
    }
}
