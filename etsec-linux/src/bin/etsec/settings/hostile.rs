//! What the fuzzer of configuration files tries: any bytes are read or refused with their place,
//! and what was read is written and read the same.

use std::fs;
use std::io::Write;
use std::os::fd::AsRawFd;
use std::path::PathBuf;

use super::File;

/// Tries an input.
pub fn target(data: &[u8]) {
    let Some((_file, path)) = memory_file(data) else { return };
    let file = match File::read(&path) {
        Ok(file) => file,
        Err(error) => return assert!(error.to_string().starts_with("/proc/self/fd/")),
    };
    let text = file.render().expect("what was read can be written");
    let Some((_file, path)) = memory_file(text.as_bytes()) else { return };
    let again = File::read(&path).expect("what was written can be read");
    assert_eq!(again.ports, file.ports, "{text}");
}

/// A file without a name that holds `data`, and its path all the same.
fn memory_file(data: &[u8]) -> Option<(fs::File, PathBuf)> {
    let file = rustix::fs::memfd_create("config", rustix::fs::MemfdFlags::CLOEXEC).ok()?;
    let path = format!("/proc/self/fd/{}", file.as_raw_fd());
    let mut file = fs::File::from(file);
    file.write_all(data).ok()?;
    Some((file, path.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kept_inputs_do_no_harm() {
        let corpus = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fuzz/corpus/config");
        let mut tried = 0;
        for entry in fs::read_dir(corpus).expect(corpus) {
            let path = entry.expect("a file").path();
            // Of a panic this is what is seen first.
            println!("{}", path.display());
            target(&fs::read(path).expect("it can be read"));
            tried += 1;
        }
        assert_ne!(tried, 0, "{corpus} is empty");
    }
}
