//! A wire whose frames come from one capture file and go into another.

use std::path::Path;
use std::time::{Duration, SystemTime};

use crate::capture::{CaptureReader, CaptureWriter};
use crate::ends::{Wire, WireError};

/// A capture file to receive from, one to send into, or both.
///
/// Frames arrive as fast as they are asked for; the times in the file are not kept.
#[derive(Debug)]
pub struct PcapWire {
    input: Option<CaptureReader>,
    output: Option<CaptureWriter>,
}

impl PcapWire {
    /// Opens `input` for reading and creates `output`; `None` leaves a direction unconnected.
    ///
    /// # Errors
    /// As [`CaptureReader::open`] and [`CaptureWriter::create`].
    pub fn open(input: Option<&Path>, output: Option<&Path>) -> Result<PcapWire, WireError> {
        Ok(PcapWire {
            input: input.map(CaptureReader::open).transpose()?,
            output: output.map(CaptureWriter::create).transpose()?,
        })
    }
}

impl Wire for PcapWire {
    fn send(&mut self, frame: &[u8]) -> Result<(), WireError> {
        let Some(output) = &mut self.output else { return Ok(()) };
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        // A clock before 1970 is no reason to lose a frame.
        output.write_frame(now.unwrap_or(Duration::ZERO), frame).map_err(WireError::from)
    }

    fn receive(&mut self, frame: &mut Vec<u8>) -> Result<bool, WireError> {
        let Some(input) = &mut self.input else { return Ok(false) };
        match input.next_frame()? {
            Some(next) => {
                *frame = next.data;
                Ok(true)
            }
            None => Ok(false),
        }
    }

    fn waits(&self) -> bool {
        true
    }

    fn ended(&self) -> bool {
        self.input.as_ref().is_none_or(CaptureReader::ended)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_come_from_one_file_and_go_into_another() {
        let dir = tempfile::tempdir().unwrap();
        let (first, second) = (dir.path().join("a.pcap"), dir.path().join("b.pcapng"));
        let mut writer = PcapWire::open(None, Some(&first)).unwrap();
        let mut frame = Vec::new();
        assert!(!writer.receive(&mut frame).unwrap());
        for number in 0..10 {
            writer.send(&[number; 60]).unwrap();
        }
        let mut both = PcapWire::open(Some(&first), Some(&second)).unwrap();
        let mut count = 0;
        while both.receive(&mut frame).unwrap() {
            both.send(&frame).unwrap();
            count += 1;
        }
        assert!(both.ended());
        assert_eq!(count, 10);
        let mut reader = PcapWire::open(Some(&second), None).unwrap();
        for number in 0..10 {
            assert!(reader.receive(&mut frame).unwrap());
            assert_eq!(frame, [number; 60]);
        }
        assert!(!reader.receive(&mut frame).unwrap());
    }
}
