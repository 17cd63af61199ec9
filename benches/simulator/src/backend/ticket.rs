//! Who is still there.

/// Serial numbers by id: an entry of a heap or a queue whose serial is not the present one belongs to nobody any more.
#[derive(Debug, Default)]
pub(super) struct Tickets(Vec<u32>);

impl Tickets {
    pub(super) fn issue(&mut self, id: u32) -> u32 {
        let index = id as usize;
        if self.0.len() <= index {
            self.0.resize(index + 1, 0);
        }
        self.0[index] = self.0[index].wrapping_add(1);
        self.0[index]
    }

    pub(super) fn void(&mut self, id: u32) {
        self.0[id as usize] = self.0[id as usize].wrapping_add(1);
    }

    pub(super) fn is_valid(&self, id: u32, serial: u32) -> bool {
        self.0[id as usize] == serial
    }
}
