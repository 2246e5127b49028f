//! Placeholder until the MII model lands.

#[derive(Debug)]
pub struct Miim {
    phy: u8,
}
#[allow(missing_docs)]
impl Miim {
    pub fn new(phy_address: u8) -> Self {
        Miim { phy: phy_address }
    }
    pub fn read(&mut self, _at: u16, _tbipa: u8) -> u32 {
        u32::from(self.phy) & 0
    }
    pub fn write(&mut self, _at: u16, _value: u32, _tbipa: u8) {}
    pub fn advance(&mut self, _ns: u64) {}
    pub fn set_link_up(&mut self, _up: bool) {}
    pub fn reset(&mut self) {}
}
