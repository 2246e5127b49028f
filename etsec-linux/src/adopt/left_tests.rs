//! Files that a dead process may have left, or somebody else: ordinary ones, taken for huge pages.

use std::fs;
use std::path::PathBuf;

use etsec_core::Bus;
use etsec_core::arena::LeftError;

use super::*;
use crate::hugepage::tests::take_over_plain;
use crate::leftover::sweep;
use crate::mounts::Mount;
use crate::uio::tests::Tree;
use crate::uio::{self, Uio};

const PAGE: usize = 4096;
/// Where the device finds it.
const START: u64 = 0x3000_0000;
const TSEC_ID: u16 = 0x000;
const RBASE0: u16 = 0x404;
const MACCFG1: u16 = 0x500;

/// A mount with files, and registers as those of a controller that runs.
struct Place {
    tree: Tree,
    mount: Mount,
    page: AnyBus,
    /// What a process has left in four pages.
    content: Vec<u8>,
}

impl Place {
    fn new() -> Place {
        let tree = Tree::new();
        fs::File::create(&tree.roots.pagemap).unwrap();
        let path = tree.root().join("huge");
        fs::create_dir(&path).unwrap();
        let line = format!("none {} hugetlbfs rw,pagesize=4096K 0 0\n", path.display());
        fs::write(tree.roots.proc.join("mounts"), line).unwrap();
        tree.device(0, "eth0");
        tree.map(0, 0, "regs", [0x2_4000, 0x1000, 0]);
        let device = uio::list(&tree.roots).unwrap().remove(0);
        let uio = Uio::open(&tree.roots, &device).unwrap();
        let page = AnyBus::Mmio(uio.registers(0).unwrap().into_bus());
        page.write(TSEC_ID, 0x0124_0001);
        page.write(MACCFG1, 5);
        let content = content(&tree.roots, &tree.root().join("first"));
        let mount = Mount { path, page_size: PAGE };
        let place = Place { tree, mount, page, content };
        place.receives_at(START + 2048);
        place
    }

    fn receives_at(&self, address: u64) {
        self.page.write(RBASE0, address as u32);
    }

    fn put(&self, pid: u32, content: &[u8]) -> PathBuf {
        let path = self.mount.path.join(format!("etsec-eth0-{pid}"));
        fs::write(&path, content).unwrap();
        path
    }

    fn left_in(&self, page_size: usize) -> Result<LeftMemory, NotAdopted> {
        let take = |path: &Path| {
            // The second file there may be lies elsewhere.
            let start = if path.ends_with("etsec-eth0-8") { START << 1 } else { START };
            take_over_plain(&self.tree.roots, path, page_size, start)
        };
        left_in_files(&self.tree.roots, "eth0", &self.page, take)
    }

    /// Why that is not taken over.
    fn refused(&self, content: &[u8], page_size: usize) -> NotAdopted {
        let path = self.put(7, content);
        let why = match self.left_in(page_size).map(LeftMemory::open) {
            Err(why) => why,
            Ok(Err((region, why))) => {
                drop(region);
                why
            }
            Ok(Ok(_)) => panic!("it is"),
        };
        // What was kept goes with its region; what was not stays for the sweep.
        let _ = fs::remove_file(path);
        assert_eq!(fs::read_dir(&self.mount.path).unwrap().count(), 0);
        why
    }
}

/// What is in the memory of a process that has a ring and a pool.
fn content(roots: &Roots, path: &Path) -> Vec<u8> {
    fs::write(path, [0; 4 * PAGE]).unwrap();
    let region = take_over_plain(roots, path, PAGE, START).unwrap();
    let mut arena = Arena::new(region).map_err(|(_, error)| error).unwrap();
    let carved = (arena.ring(4).unwrap(), arena.pool(8, 256).unwrap());
    // It dies.
    std::mem::forget((arena, carved));
    fs::read(path).unwrap()
}

#[test]
fn a_file_is_found_whatever_its_pages_are_and_kept() {
    let place = Place::new();
    for page_size in [PAGE, 2 * PAGE, 4 * PAGE] {
        let path = place.put(7, &place.content);
        let left = place.left_in(page_size).unwrap();
        assert_eq!(left.pid, 7);
        assert!(!path.exists(), "it has our name now");
        let opened = left.open().map_err(|(_, why)| why).unwrap();
        assert_eq!(opened.pool.buffers(), 8);
        give_up(opened);
        assert_eq!(fs::read_dir(&place.mount.path).unwrap().count(), 0);
    }
}

#[test]
fn a_file_of_another_length_or_content_is_refused_with_the_reason() {
    let place = Place::new();
    let (whole, said) = (&place.content, 4 * PAGE as u32);
    let length = |why: NotAdopted| match why {
        NotAdopted::Memory(LeftError::Length(length)) => length,
        other => panic!("{other}"),
    };
    assert_eq!(length(place.refused(&whole[..3 * PAGE], PAGE)), said);
    assert_eq!(length(place.refused(&[&whole[..], &[0; PAGE]].concat(), PAGE)), said);
    // Cut off altogether, inside of a page, or of pages that are larger.
    for (bytes, page_size) in [(0, PAGE), (3 * PAGE + 100, PAGE), (3 * PAGE, 2 * PAGE)] {
        let why = place.refused(&whole[..bytes], page_size);
        assert!(matches!(&why, NotAdopted::Unusable(e) if matches!(**e, Error::OutOfRange { .. })));
    }
    let why = place.refused(&[0x5A; 4 * PAGE], PAGE);
    assert!(matches!(why, NotAdopted::Memory(LeftError::Foreign)), "{why}");
    // Of a version that noted less.
    let old = [&whole[..4], &2_u32.to_ne_bytes(), &whole[8..]].concat();
    let why = place.refused(&old, PAGE);
    assert!(matches!(why, NotAdopted::Memory(LeftError::Version(2))), "{why}");
}

#[test]
fn a_controller_that_is_elsewhere_or_stands_still_has_left_nothing() {
    let place = Place::new();
    assert!(matches!(place.left_in(PAGE), Err(NotAdopted::Nothing)));
    let path = place.put(7, &place.content);
    for address in [START - 64, START + 4 * PAGE as u64] {
        place.receives_at(address);
        assert!(matches!(place.left_in(PAGE), Err(NotAdopted::Elsewhere)), "{address:#x}");
        assert!(path.exists(), "it is not ours");
    }
    place.receives_at(START);
    place.page.write(MACCFG1, 0);
    assert!(matches!(place.left_in(PAGE), Err(NotAdopted::Still)));
    assert!(path.exists());
}

#[test]
fn of_several_files_the_one_is_taken_and_the_others_are_swept() {
    let place = Place::new();
    let [right, wrong] = [7, 8].map(|pid| place.put(pid, &place.content));
    let left = place.left_in(PAGE).unwrap();
    assert_eq!(left.pid, 7);
    assert!(!right.exists() && wrong.exists());
    assert_eq!(sweep(&place.mount, "eth0").unwrap(), [wrong]);
    let opened = left.open().map_err(|(_, why)| why).unwrap();
    give_up(opened);
    // The other way round: the one in front is looked at in vain.
    let wrong = place.put(8, &place.content);
    place.receives_at((START << 1) + 64);
    let [first, left] = [place.put(7, &place.content), wrong];
    let found = place.left_in(PAGE).unwrap();
    assert_eq!(found.pid, 8);
    assert!(first.exists() && !left.exists());
}

#[test]
fn memory_that_no_device_could_reach_is_refused() {
    let place = Place::new();
    place.put(7, &place.content);
    // The last two pages are in the next window.
    let at = 0xFFFF_E000_u64;
    place.receives_at(at);
    let take = |path: &Path| take_over_plain(&place.tree.roots, path, PAGE, at);
    let why = left_in_files(&place.tree.roots, "eth0", &place.page, take).map(drop).unwrap_err();
    assert!(
        matches!(&why, NotAdopted::Unusable(e) if matches!(**e, Error::TwoWindows { .. })),
        "{why}"
    );
}
