//! Files that may be captures: what is no capture is told, and what is one is written and read the
//! same.

use std::fs::File;
use std::io::{Seek, Write};
use std::path::PathBuf;

use etsec_sim::capture::{CaptureReader, CaptureWriter};

/// Most frames that are read: a file of this size holds no more than noise.
const FRAMES: usize = 10_000;

/// Tries an input.
pub(super) fn target(data: &[u8]) {
    let Some((mut file, path)) = memory_file() else { return };
    if file.write_all(data).is_err() || file.rewind().is_err() {
        return;
    }
    let mut reader = match CaptureReader::open(&path) {
        Ok(reader) => reader,
        Err(error) => return assert!(!error.to_string().is_empty()),
    };
    let mut frames = Vec::new();
    while frames.len() < FRAMES {
        match reader.next_frame() {
            Ok(Some(frame)) => frames.push(frame),
            Ok(None) => break,
            Err(error) => {
                assert!(!error.to_string().is_empty());
                // It does not come again.
                assert!(matches!(reader.next_frame(), Ok(None)));
                break;
            }
        }
    }
    copy(&frames);
}

/// What was read is written, and read the same.
fn copy(frames: &[etsec_sim::capture::CapturedFrame]) {
    let Some((_file, path)) = memory_file() else { return };
    let Ok(mut writer) = CaptureWriter::create(&path) else { return };
    let mut kept = Vec::new();
    for frame in frames {
        if writer.write_frame(frame.timestamp, &frame.data).is_ok() {
            kept.push(&frame.data);
        }
    }
    drop(writer);
    let mut reader = CaptureReader::open(&path).expect("our own file");
    for data in kept {
        let again = reader.next_frame().expect("our own file").expect("as many as were written");
        assert_eq!(&again.data, data);
    }
}

/// A file without a name, and its path all the same.
fn memory_file() -> Option<(File, PathBuf)> {
    use std::os::fd::AsRawFd;
    let file = rustix::fs::memfd_create("capture", rustix::fs::MemfdFlags::CLOEXEC).ok()?;
    let path = format!("/proc/self/fd/{}", file.as_raw_fd());
    Some((file.into(), path.into()))
}
