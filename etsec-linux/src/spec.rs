//! How a device is named on a command line: `uio:NAME`, `sim` with the other end of its wire, or
//! `sim:SOCKET`.
//!
//! It knows the grammar, and opens nothing.

use std::path::PathBuf;
use std::str::FromStr;

use crate::error::Error;

/// Which device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Spec {
    /// The controller whose UIO devices have this name.
    Uio(String),
    /// A simulated controller of this process.
    Sim(WireSpec),
    /// The simulated controller of the process that listens at this socket.
    Remote(PathBuf),
}

/// Where the wire of a simulated controller ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WireSpec {
    /// Nowhere: what is sent is lost. The wire that a plain `sim` has.
    Null,
    /// In a TAP interface of this name.
    Tap(String),
    /// In capture files.
    Pcap {
        /// Frames to be received, from this file; none.
        input: Option<PathBuf>,
        /// Frames that were sent, into this file; dropped.
        output: Option<PathBuf>,
    },
    /// In whoever connects to this Unix socket.
    Socket(PathBuf),
    /// In the other device of this process that names the same cable.
    Cable(String),
}

impl FromStr for Spec {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let bad = |why: &str| Error::BadName { text: text.into(), why: why.into() };
        if let Some(name) = text.strip_prefix("uio:") {
            return match name {
                "" => Err(bad("the name is missing")),
                _ if name.contains(['/', '\0']) => Err(bad("a name has no '/'")),
                _ => Ok(Spec::Uio(name.into())),
            };
        }
        match text.strip_prefix("sim") {
            Some("") => Ok(Spec::Sim(WireSpec::Null)),
            Some(":") => Err(bad("the socket is missing")),
            Some(options) if options.starts_with(':') => {
                Ok(Spec::Remote(options.trim_start_matches(':').into()))
            }
            Some(options) => {
                let wire = options.strip_prefix(",wire=");
                let wire = wire
                    .ok_or_else(|| bad("after 'sim' only ',wire=' or ':SOCKET' is understood"))?;
                parse_wire(wire).map(Spec::Sim).map_err(bad)
            }
            None => Err(bad("it begins with neither 'uio:' nor 'sim'")),
        }
    }
}

impl FromStr for WireSpec {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        parse_wire(text).map_err(|why| Error::BadWire { text: text.into(), why: why.into() })
    }
}

/// What stands behind `wire=`.
fn parse_wire(text: &str) -> Result<WireSpec, &'static str> {
    let (kind, value) = text.split_once(':').unwrap_or((text, ""));
    match (kind, value) {
        ("null", "") => Ok(WireSpec::Null),
        ("tap" | "cable", "") => Err("the name is missing"),
        ("socket", "") => Err("the socket is missing"),
        ("socket", path) => Ok(WireSpec::Socket(path.into())),
        // The kernel's limit for interface names (IFNAMSIZ with its zero byte).
        ("tap", name) if name.len() > 15 || name.contains('/') => {
            Err("an interface name has at most 15 characters and no '/'")
        }
        ("tap", name) => Ok(WireSpec::Tap(name.into())),
        ("cable", id) => Ok(WireSpec::Cable(id.into())),
        ("pcap", files) => {
            let (input, output) = files.split_once(',').unwrap_or((files, ""));
            let path = |text: &str| (!text.is_empty()).then(|| PathBuf::from(text));
            match (path(input), path(output)) {
                (None, None) => Err("neither an input nor an output file is named"),
                (input, output) => Ok(WireSpec::Pcap { input, output }),
            }
        }
        _ => Err("a wire is tap:NAME, pcap:IN,OUT, socket:PATH, cable:ID or null"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_is_understood() {
        let check = |text: &str, spec| assert_eq!(text.parse::<Spec>().unwrap(), spec, "{text}");
        check("uio:eth0", Spec::Uio("eth0".into()));
        check("sim", Spec::Sim(WireSpec::Null));
        check("sim:/run/etsec.sock", Spec::Remote("/run/etsec.sock".into()));
        check("sim,wire=null", Spec::Sim(WireSpec::Null));
        check("sim,wire=tap:etsec0", Spec::Sim(WireSpec::Tap("etsec0".into())));
        check("sim,wire=socket:/run/w", Spec::Sim(WireSpec::Socket("/run/w".into())));
        check("sim,wire=cable:a", Spec::Sim(WireSpec::Cable("a".into())));
        let pcap = |input: Option<&str>, output: Option<&str>| {
            Spec::Sim(WireSpec::Pcap {
                input: input.map(Into::into),
                output: output.map(Into::into),
            })
        };
        check("sim,wire=pcap:in.pcap,out.pcap", pcap(Some("in.pcap"), Some("out.pcap")));
        check("sim,wire=pcap:in.pcap", pcap(Some("in.pcap"), None));
        check("sim,wire=pcap:,a:b", pcap(None, Some("a:b")));
    }

    #[test]
    fn anything_else_is_explained() {
        let why = |text: &str| text.parse::<Spec>().unwrap_err().to_string();
        for text in [
            "",
            "eth0",
            "uio:",
            "uio:../x",
            "simulator",
            "sim:",
            "sim,wire=",
            "sim,wire=tap:",
            "sim,wire=socket:",
        ] {
            let message = why(text);
            assert!(message.starts_with(&format!("'{text}' names no device")), "{message}");
            assert!(message.contains("uio:NAME"), "{message}");
        }
        assert!(why("sim,wire=tap:abcdefghijklmnop").contains("15 characters"));
        assert!(why("sim,wire=pcap:").contains("neither"));
        assert!(why("sim,wire=null:x").contains("tap:NAME"));
    }
}
