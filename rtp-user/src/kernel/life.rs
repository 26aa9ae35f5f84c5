//! A sign of life for processes of other PID namespaces, whose ids mean nothing
//! here: a name among the abstract addresses of Unix sockets, of which each network
//! namespace has its own. It goes with the process, however that ends.

use std::{
    io,
    os::{
        linux::net::SocketAddrExt as _,
        unix::net::{SocketAddr, UnixDatagram},
    },
};

/// Holds a name.
#[derive(Debug)]
pub struct Life(#[expect(dead_code, reason = "it is there to be open")] UnixDatagram);

impl Life {
    /// Takes `name`, which nobody else must hold.
    pub fn hold(name: &str) -> io::Result<Self> {
        UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(name)?).map(Self)
    }

    /// Whether somebody holds `name`. What cannot be found out counts as held.
    pub fn is_held(name: &str) -> bool {
        Self::hold(name).is_err()
    }
}

#[cfg(test)]
mod tests {
    use super::Life;

    #[test]
    fn a_name_is_held_until_its_holder_goes() {
        let name = format!("krtp test of {}", std::process::id());
        assert!(!Life::is_held(&name));
        let life = Life::hold(&name).expect("nobody has it");
        assert!(Life::is_held(&name));
        assert!(!Life::is_held(&format!("{name}0")));
        drop(life);
        assert!(!Life::is_held(&name));
    }
}
