//! What takes minutes to make is made once and kept outside of the source tree. Whatever interrupts
//! the making, nothing half-made is ever found; two who want the same thing make it once. It knows
//! nothing of what is made.

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};

use crate::interrupt;
use crate::run::POLL;

/// The folder: `$ETSEC_CACHE`, else `etsec` in the user's cache folder.
///
/// # Errors
/// Where the environment names none of them.
pub fn folder() -> Result<PathBuf> {
    let named = |name: &str| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    let caches = named("XDG_CACHE_HOME").filter(|p| p.is_absolute());
    let caches = caches.or_else(|| named("HOME").map(|home| home.join(".cache")));
    let folder = named("ETSEC_CACHE").or_else(|| caches.map(|caches| caches.join("etsec")));
    let folder = folder.context("no folder for what is kept: set ETSEC_CACHE to one")?;
    // Programs that are started elsewhere are told of it.
    std::path::absolute(&folder).with_context(|| format!("ETSEC_CACHE: {}", folder.display()))
}

/// The folder `NAME-HASH` of the cache, if it is there; see [`supply`].
///
/// # Errors
/// As [`folder`].
pub fn kept(name: &str, key: &[String]) -> Result<Option<PathBuf>> {
    let kept = folder()?.join(format!("{name}-{}", hash(key)));
    Ok(kept.is_dir().then_some(kept))
}

/// The folder `NAME-HASH` of the cache, where the hash is that of all words of `key`. If it is not
/// there, `make` fills it: given a scratch folder, which is thrown away, and the one to fill.
///
/// # Errors
/// What `make` says; a cache that cannot be written; Ctrl-C.
pub fn supply(
    name: &str,
    key: &[String],
    make: impl FnOnce(&Path, &Path) -> Result<()>,
) -> Result<PathBuf> {
    supply_in(&folder()?, name, key, make)
}

fn supply_in(
    cache: &Path,
    name: &str,
    key: &[String],
    make: impl FnOnce(&Path, &Path) -> Result<()>,
) -> Result<PathBuf> {
    let kept = cache.join(format!("{name}-{}", hash(key)));
    if kept.is_dir() {
        return Ok(kept);
    }
    let write = || format!("cannot write {} (ETSEC_CACHE can be another folder)", cache.display());
    fs::create_dir_all(cache).with_context(write)?;
    let lock = File::create(cache.join(format!("{name}.lock"))).with_context(write)?;
    acquire(&lock)?;
    // Who had the lock before us may have made it.
    if kept.is_dir() {
        return Ok(kept);
    }
    // Whoever left these is dead, for the lock is ours.
    let prefix = format!(".{name}-");
    sweep(cache, &prefix).with_context(write)?;
    let folder = || tempfile::Builder::new().prefix(&prefix).tempdir_in(cache).with_context(write);
    let (scratch, result) = (folder()?, folder()?);
    make(scratch.path(), result.path())?;
    // Whole or not at all.
    fs::rename(result.path(), &kept).with_context(write)?;
    Ok(kept)
}

/// Waits until nobody else makes things of that name.
fn acquire(lock: &File) -> Result<()> {
    loop {
        match lock.try_lock() {
            Ok(()) => return Ok(()),
            Err(TryLockError::WouldBlock) => {
                interrupt::check()?;
                std::thread::sleep(POLL);
            }
            Err(TryLockError::Error(error)) => {
                return Err(error).context("cannot lock the cache");
            }
        }
    }
}

fn sweep(cache: &Path, prefix: &str) -> std::io::Result<()> {
    for entry in fs::read_dir(cache)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with(prefix) {
            fs::remove_dir_all(entry.path())?;
        }
    }
    Ok(())
}

/// Enough of a SHA-256 to tell keys apart; no two lists of words run together.
fn hash(key: &[String]) -> String {
    let mut sha = Sha256::new();
    for word in key {
        sha.update((word.len() as u64).to_be_bytes());
        sha.update(word);
    }
    sha.finalize()[..8].iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(words: &[&str]) -> Vec<String> {
        words.iter().map(|w| (*w).to_owned()).collect()
    }

    fn names(cache: &Path) -> Vec<String> {
        let entries = fs::read_dir(cache).expect("there").flatten();
        let mut names: Vec<_> =
            entries.map(|e| e.file_name().into_string().expect("text")).collect();
        names.sort();
        names
    }

    #[test]
    fn a_thing_is_made_once_for_each_key() {
        let cache = tempfile::tempdir().expect("a folder");
        let mut made = 0;
        let mut supply = |key: &[&str]| {
            let key = words(key);
            supply_in(cache.path(), "x", &key, |scratch, result| {
                made += 1;
                fs::write(scratch.join("waste"), "1")?;
                Ok(fs::write(result.join("it"), "1")?)
            })
            .expect("made")
        };
        let first = supply(&["a", "b"]);
        assert_eq!(supply(&["a", "b"]), first);
        assert_ne!(supply(&["a", "c"]), first);
        assert_ne!(supply(&["ab", ""]), first);
        assert!(first.join("it").is_file());
        assert_eq!(made, 3);
        assert_eq!(names(cache.path()).len(), 4, "three things and the lock");
    }

    #[test]
    fn nothing_half_made_is_found() {
        let cache = tempfile::tempdir().expect("a folder");
        let key = words(&["a"]);
        // One that was killed while it made.
        fs::create_dir(cache.path().join(".x-dead")).expect("made");
        fs::create_dir(cache.path().join(".y-other")).expect("made");
        let failed = supply_in(cache.path(), "x", &key, |_, result| {
            fs::write(result.join("half"), "1")?;
            anyhow::bail!("no")
        });
        assert_eq!(failed.expect_err("failed").to_string(), "no");
        assert_eq!(names(cache.path()), [".y-other", "x.lock"]);
        let made = supply_in(cache.path(), "x", &key, |_, _| Ok(())).expect("made");
        assert_eq!(names(&made), Vec::<String>::new());
    }

    #[test]
    fn who_waits_finds_what_the_other_made() {
        let cache = tempfile::tempdir().expect("a folder");
        let key = words(&["a"]);
        std::thread::scope(|scope| {
            let (started, wait) = std::sync::mpsc::channel();
            let (path, first) = (cache.path(), key.clone());
            scope.spawn(move || {
                supply_in(path, "x", &first, |_, result| {
                    started.send(())?;
                    std::thread::sleep(4 * POLL);
                    Ok(fs::write(result.join("it"), "1")?)
                })
                .expect("made");
            });
            wait.recv().expect("it is being made");
            let made = supply_in(cache.path(), "x", &key, |_, _| panic!("made twice"));
            assert!(made.expect("found").join("it").is_file());
        });
    }
}
