//! Words of the command line that are neither numbers nor files: devices, addresses, links. It
//! knows no option.

use etsec_core::link::{Link, LinkError};
use etsec_linux::Spec;
use smoltcp::wire::Ipv4Cidr;

/// A device as the user named it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceName {
    text: String,
    /// What the name stands for.
    pub spec: Spec,
}

impl std::str::FromStr for DeviceName {
    type Err = etsec_linux::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(DeviceName { text: text.to_owned(), spec: text.parse()? })
    }
}

impl std::fmt::Display for DeviceName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}

/// Where the address of `serve` comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AddressArg {
    /// Asked for on the network.
    Dhcp,
    /// Given.
    Static(Ipv4Cidr),
}

impl std::str::FromStr for AddressArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.eq_ignore_ascii_case("dhcp") {
            return Ok(AddressArg::Dhcp);
        }
        let shape = || {
            format!(
                "`{text}` is neither `dhcp` nor an address with its prefix length, \
                 such as 192.0.2.2/24"
            )
        };
        let cidr: Ipv4Cidr = text.parse().map_err(|()| shape())?;
        let host = cidr.address();
        if host.is_unspecified() || host.is_multicast() || host.is_broadcast() {
            return Err(format!("{host} cannot be the address of a host"));
        }
        Ok(AddressArg::Static(cidr))
    }
}

/// The link as given by `--link`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkArg {
    /// What the PHY negotiates.
    Auto,
    /// Always this one.
    Fixed(Link),
}

impl std::fmt::Display for LinkArg {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            LinkArg::Auto => f.write_str("auto"),
            LinkArg::Fixed(link) => link.fmt(f),
        }
    }
}

impl std::str::FromStr for LinkArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.eq_ignore_ascii_case("auto") {
            return Ok(LinkArg::Auto);
        }
        // The speed alone means full duplex.
        let full = if text.contains('/') { text.to_owned() } else { format!("{text}/full") };
        full.parse().map(LinkArg::Fixed).map_err(|error: LinkError| error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use etsec_core::link::{Duplex, Speed};

    #[test]
    fn addresses_and_links_are_checked() {
        assert_eq!("dhcp".parse(), Ok(AddressArg::Dhcp));
        for bad in ["192.0.2.2", "192.0.2.2/33", "0.0.0.0/0", "224.0.0.1/4", "x"] {
            assert!(bad.parse::<AddressArg>().is_err(), "{bad}");
        }
        assert_eq!("100/half".parse(), Ok(LinkArg::Fixed(Link::new(Speed::Mbps100, Duplex::Half))));
        assert_eq!("1000".parse(), Ok(LinkArg::Fixed(Link::new(Speed::Mbps1000, Duplex::Full))));
        for bad in ["1000/half", "40/full", "100/most", ""] {
            assert!(bad.parse::<LinkArg>().is_err(), "{bad}");
        }
    }
}
