//! A port for each slot: given once, kept in the state, replaced only when somebody else took it.
//!
//! The range lies below the ports that the kernel hands out to outgoing connections, so that none
//! of those can take a port between two starts, and begins at a place of the application's own, so
//! that two applications on one machine rarely meet.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::Path;

use plan::Slot;
use sha2::{Digest as _, Sha256};

/// Linux hands out ports from 32768 on unless told otherwise.
const FIRST: u16 = 20_000;
const COUNT: u16 = 12_000;

/// Decides every slot's port; `None` for a slot when no port of the range is free.
///
/// `is_free` says whether the port could be listened on now. A slot in `running` keeps its port,
/// which of course is not free.
pub(crate) fn assign(
    slots: &[Slot],
    recorded: &BTreeMap<String, u16>,
    running: &BTreeSet<String>,
    state: &Path,
    is_free: &dyn Fn(SocketAddr) -> bool,
) -> BTreeMap<String, u16> {
    let free = |port: u16| is_free(([127, 0, 0, 1], port).into());
    let demanded: BTreeSet<u16> = slots.iter().filter_map(|slot| slot.fixed).collect();
    let mut taken = demanded.clone();
    taken.extend(recorded.values());
    let mut assigned = BTreeMap::new();
    let start = start(state);
    for slot in slots {
        let known = recorded.get(&slot.name).copied();
        let kept = known
            .filter(|port| !demanded.contains(port))
            .filter(|port| running.contains(&slot.name) || free(*port));
        let next = || {
            let candidates = (0..COUNT).map(|step| FIRST + (start + step) % COUNT);
            candidates.clone().find(|port| !taken.contains(port) && free(*port))
        };
        let Some(port) = slot.fixed.or(kept).or_else(next) else { continue };
        taken.insert(port);
        assigned.insert(slot.name.clone(), port);
    }
    assigned
}

fn start(state: &Path) -> u16 {
    let digest = Sha256::digest(state.as_os_str().as_encoded_bytes());
    let number = digest.iter().take(2).fold(0_u16, |number, byte| number << 8 | u16::from(*byte));
    number % COUNT / 100 * 100
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slot(name: &str, fixed: Option<u16>) -> Slot {
        Slot { name: name.to_owned(), fixed }
    }

    fn check(
        slots: &[Slot],
        recorded: &[(&str, u16)],
        running: &[&str],
        occupied: &[u16],
    ) -> BTreeMap<String, u16> {
        let recorded = recorded.iter().map(|(name, port)| ((*name).to_owned(), *port)).collect();
        let running = running.iter().map(|&name| name.to_owned()).collect();
        let is_free = |address: SocketAddr| !occupied.contains(&address.port());
        assign(slots, &recorded, &running, Path::new("/state"), &is_free)
    }

    #[test]
    fn a_slot_keeps_its_port_and_a_new_one_moves_nobody() {
        let first = check(&[slot("api-1", None)], &[], &[], &[]);
        let port = first["api-1"];
        let both = check(&[slot("db", None), slot("api-1", None)], &[("api-1", port)], &[], &[]);
        assert_eq!(both["api-1"], port);
        assert_ne!(both["db"], port);
    }

    #[test]
    fn an_occupied_port_is_replaced_unless_its_own_instance_occupies_it() {
        let slots = [slot("api-1", None)];
        assert_ne!(check(&slots, &[("api-1", 20_500)], &[], &[20_500])["api-1"], 20_500);
        assert_eq!(check(&slots, &[("api-1", 20_500)], &["api-1"], &[20_500])["api-1"], 20_500);
    }

    #[test]
    fn a_port_that_the_manifest_demands_is_given_to_nobody_else() {
        let demanded = check(&[slot("a", None)], &[], &[], &[])["a"];
        let ports = check(&[slot("a", None), slot("b", Some(demanded))], &[], &[], &[]);
        assert_eq!(ports["b"], demanded);
        let running =
            check(&[slot("a", None), slot("b", Some(20_700))], &[("a", 20_700)], &["a"], &[20_700]);
        assert_ne!(running["a"], 20_700);
        assert_ne!(ports["a"], demanded);
    }
}
