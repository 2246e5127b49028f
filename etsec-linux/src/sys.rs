//! System calls that the standard library and rustix do not offer in the form needed here.
//!
//! This is the only file that names libc. It knows nothing of devices; each function is one call.

use std::ffi::{CStr, c_int, c_uint};
use std::fs::File;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::time::Duration;

use rustix::process::{Signal, set_parent_process_death_signal};

/// What a file lives on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileSystem {
    /// Whether it is hugetlbfs, mounted or the kernel's own that holds memfds.
    pub huge: bool,
    /// Its block size in bytes; on hugetlbfs that is the size of one huge page.
    pub block_size: usize,
}

/// Asks which file system `file` lives on.
///
/// # Errors
/// What the system says.
pub fn file_system(file: &File) -> io::Result<FileSystem> {
    let mut answer = MaybeUninit::<libc::statfs>::zeroed();
    // SAFETY: the descriptor is open for the whole call and `answer` has room for one `statfs`.
    check(unsafe { libc::fstatfs(file.as_raw_fd(), answer.as_mut_ptr()) })?;
    // SAFETY: the call succeeded, so it filled the structure; zeroed was already a valid value of
    // its integers.
    let answer = unsafe { answer.assume_init() };
    // The widths of both fields differ between architectures and C libraries, the magic number fits
    // all of them.
    Ok(FileSystem {
        huge: answer.f_type as u32 == libc::HUGETLBFS_MAGIC as u32,
        block_size: usize::try_from(answer.f_bsize).unwrap_or(0),
    })
}

/// Takes an exclusive lock on an open file without waiting; `false` if somebody else has it.
///
/// The lock belongs to the open file and goes with its last descriptor, also when the process is
/// killed.
///
/// # Errors
/// What the system says, other than that the lock is taken.
pub fn try_lock(file: &File) -> io::Result<bool> {
    // SAFETY: the descriptor is open for the whole call; no memory is involved.
    match check(unsafe { libc::flock(file.as_raw_fd(), libc::LOCK_EX | libc::LOCK_NB) }) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
        Err(error) => Err(error),
    }
}

/// Gives back what [`try_lock`] took.
///
/// # Errors
/// What the system says.
pub fn unlock(file: &File) -> io::Result<()> {
    // SAFETY: the descriptor is open for the whole call; no memory is involved.
    check(unsafe { libc::flock(file.as_raw_fd(), libc::LOCK_UN) }).map(drop)
}

/// Makes a memory file of huge pages of `page_size` bytes, a power of two; close-on-exec.
///
/// # Errors
/// What the system says; `EINVAL` or `ENODEV` if it has no pages of that size.
pub fn huge_memfd(name: &CStr, page_size: usize) -> io::Result<OwnedFd> {
    // The page size travels as its logarithm, so sizes without a constant of their own (e500's 4
    // MiB) work too.
    let size = page_size.trailing_zeros() << libc::MFD_HUGE_SHIFT;
    let flags = libc::MFD_CLOEXEC | libc::MFD_HUGETLB | size as c_uint;
    // SAFETY: `name` ends with a zero byte and outlives the call.
    let fd = check(unsafe { libc::memfd_create(name.as_ptr(), flags) })?;
    // SAFETY: the call succeeded, so `fd` is an open descriptor that nobody else owns.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Fills `bytes` with random numbers from the kernel.
///
/// # Errors
/// What the system says.
pub fn random(bytes: &mut [u8]) -> io::Result<()> {
    let mut filled = 0;
    while filled < bytes.len() {
        let rest = &mut bytes[filled..];
        // SAFETY: `rest` is writable for the length given.
        let count = unsafe { libc::getrandom(rest.as_mut_ptr().cast(), rest.len(), 0) };
        match usize::try_from(count) {
            Ok(count) => filled += count,
            Err(_) => {
                let error = io::Error::last_os_error();
                if error.kind() != io::ErrorKind::Interrupted {
                    return Err(error);
                }
            }
        }
    }
    Ok(())
}

/// Makes a timer that expires at regular points in time, `every` apart, for the first time after
/// that long: its descriptor is readable then, and has to be read for the timer to go on.
///
/// rustix would do, but where the C library is a 32-bit musl it hands it times of another width.
///
/// # Errors
/// What the system says; `EINVAL` for a time of zero or beyond what it can count.
pub fn interval_timer(every: Duration) -> io::Result<OwnedFd> {
    let invalid = || io::Error::from_raw_os_error(libc::EINVAL);
    let time = libc::timespec {
        tv_sec: every.as_secs().try_into().map_err(|_| invalid())?,
        tv_nsec: every.subsec_nanos() as _,
    };
    if every.is_zero() {
        // The system would take it as a wish to stop.
        return Err(invalid());
    }
    let flags = libc::TFD_NONBLOCK | libc::TFD_CLOEXEC;
    // SAFETY: no memory is involved.
    let fd = check(unsafe { libc::timerfd_create(libc::CLOCK_MONOTONIC, flags) })?;
    // SAFETY: the call succeeded, so `fd` is an open descriptor that nobody else owns.
    let timer = unsafe { OwnedFd::from_raw_fd(fd) };
    let times = libc::itimerspec { it_interval: time, it_value: time };
    // SAFETY: the descriptor is a timer, `times` outlives the call, and the former times are not
    // asked for.
    check(unsafe { libc::timerfd_settime(fd, 0, &raw const times, std::ptr::null_mut()) })?;
    Ok(timer)
}

/// Makes the program that `command` starts get SIGTERM when the calling thread ends.
pub fn end_with_parent(command: &mut Command) {
    let parent = rustix::process::getpid();
    let bind = move || {
        set_parent_process_death_signal(Some(Signal::TERM))?;
        // Between the fork and this call the parent may have gone already.
        if rustix::process::getppid() != Some(parent) {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        Ok(())
    };
    // SAFETY: between fork and exec the closure makes two system calls; it allocates nothing and
    // takes no lock.
    unsafe { command.pre_exec(bind) };
}

/// Device number of a file's file system as `/proc/locks` prints it: major and minor.
pub fn split_device(number: u64) -> (u32, u32) {
    // The C library's type is narrower on some targets; Linux device numbers fit in both.
    let number = number as libc::dev_t;
    (libc::major(number) as u32, libc::minor(number) as u32)
}

fn check(result: c_int) -> io::Result<c_int> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ordinary_file_is_not_on_huge_pages() {
        let file = tempfile::tempfile().unwrap();
        let system = file_system(&file).unwrap();
        assert!(!system.huge);
        assert!(system.block_size >= 512, "{system:?}");
    }

    #[test]
    fn a_lock_keeps_a_second_open_file_out_until_the_first_is_closed() {
        let path = tempfile::NamedTempFile::new().unwrap();
        let first = File::open(path.path()).unwrap();
        let second = File::open(path.path()).unwrap();
        assert!(try_lock(&first).unwrap());
        assert!(!try_lock(&second).unwrap());
        drop(first);
        assert!(try_lock(&second).unwrap());
    }

    #[test]
    fn random_bytes_differ_from_call_to_call() {
        let (mut first, mut second) = ([0; 32], [0; 32]);
        random(&mut first).unwrap();
        random(&mut second).unwrap();
        assert_ne!(first, second);
    }

    #[test]
    fn a_timer_expires_again_and_again() {
        let every = Duration::from_millis(2);
        let start = std::time::Instant::now();
        let timer = interval_timer(every).unwrap();
        let mut expired = 0;
        while expired < 3 {
            let mut count = [0; 8];
            match rustix::io::read(&timer, &mut count) {
                Ok(_) => expired += u64::from_ne_bytes(count),
                Err(rustix::io::Errno::AGAIN) => std::thread::sleep(every),
                Err(error) => panic!("{error}"),
            }
            assert!(start.elapsed() < Duration::from_secs(20));
        }
        assert!(start.elapsed() >= 3 * every);
        assert!(interval_timer(Duration::ZERO).is_err());
    }

    #[test]
    fn a_page_size_that_is_none_is_refused_by_the_kernel() {
        // 8 KiB is not a huge page size of any architecture.
        assert!(huge_memfd(c"etsec-test", 8192).is_err());
    }
}
