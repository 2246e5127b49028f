//! Tests of regions, on ordinary files with page maps written for the occasion; with real huge
//! pages where they can be had.

use std::io::Write;
use std::os::unix::fs::FileExt;

use super::*;
use crate::leftover::dead;

const PAGE: usize = 4096;

/// A directory that stands for a hugetlbfs mount, and roots in the same directory.
fn tree() -> (tempfile::TempDir, Roots, Mount) {
    let dir = tempfile::tempdir().unwrap();
    let roots = Roots::below(dir.path());
    std::fs::create_dir_all(dir.path().join("proc/self")).unwrap();
    File::create(&roots.pagemap).unwrap();
    let path = dir.path().join("huge");
    std::fs::create_dir(&path).unwrap();
    (dir, roots, Mount { path, page_size: PAGE })
}

/// A region of ordinary pages whose page map says they are at these physical addresses.
fn region_at(addresses: &[u64]) -> Result<HugeRegion, Error> {
    let (_dir, roots, mount) = tree();
    let record = Record::create(&roots, &mount, "eth0").unwrap();
    let length = record.set_length(addresses.len() * PAGE, PAGE).unwrap();
    located(&roots, record, length, PAGE, |n| addresses[n])
}

/// A region of ordinary pages, taken for larger ones, whose page map says where each of them is.
fn located(
    roots: &Roots,
    record: Record,
    length: usize,
    page_size: usize,
    address: impl Fn(usize) -> u64,
) -> Result<HugeRegion, Error> {
    let map = map(&record, length, page_size)?;
    let base_page = rustix::param::page_size();
    let file = OpenOptions::new().write(true).open(&roots.pagemap).unwrap();
    for page in 0..length / page_size {
        let entry = ((1 << 63) | (address(page) / base_page as u64)).to_ne_bytes();
        let index = (map.as_ptr() as usize + page * page_size) / base_page;
        file.write_all_at(&entry, index as u64 * 8).unwrap();
    }
    let bus = locate(&Pagemap::open(&roots.pagemap).unwrap(), &map, page_size)?;
    Ok(HugeRegion { map, bus, page_size, record })
}

/// As [`HugeRegion::take_over`], of an ordinary file that is taken for pages of that size, in a row
/// from an address on.
pub(crate) fn take_over_plain(
    roots: &Roots,
    path: &Path,
    page_size: usize,
    start: u64,
) -> Result<HugeRegion, Error> {
    let mut options = OpenOptions::new();
    let file = options.read(true).write(true).open(path).map_err(io("open", path))?;
    let record = Record { file, path: path.into(), delete: false };
    lock::acquire(roots, &record.file, path, "the memory")?;
    let length = record.length(page_size)?;
    located(roots, record, length, page_size, |n| start + (n * page_size) as u64)
}

/// Makes a file of what a dead process has left that had a pool, with buffers of a pool called
/// `partner`.
pub(crate) fn leave_beside(roots: &Roots, path: &Path, partner: &str) {
    if !roots.pagemap.exists() {
        File::create(&roots.pagemap).unwrap();
    }
    let carve = |path: &Path, start| {
        std::fs::write(path, [0; 4 * PAGE]).unwrap();
        let region = take_over_plain(roots, path, PAGE, start).unwrap();
        let mut arena = etsec_core::Arena::new(region).map_err(|(_, error)| error).unwrap();
        let pool = arena.pool(4, 64).unwrap();
        (arena, pool)
    };
    let other = path.with_file_name("partner");
    let (one, two) = (carve(path, 0x3000_0000), carve(&other, 0x4000_0000));
    two.1.set_name(partner).unwrap();
    one.1.pair(&two.1).unwrap();
    std::fs::remove_file(other).unwrap();
    // What was written stays; it is the content alone that a killed process is known by.
    let content = std::fs::read(path).unwrap();
    std::mem::forget((one, two));
    std::fs::remove_file(path).unwrap();
    std::fs::write(path, content).unwrap();
}

#[test]
fn a_name_that_is_ours_already_keeps_nobody_from_starting() {
    let (_dir, roots, mount) = tree();
    let named = |zeros: &str| mount.path.join(format!("etsec-eth0-{zeros}{}", std::process::id()));
    let first = Record::create(&roots, &mount, "eth0").unwrap();
    let second = Record::create(&roots, &mount, "eth0").unwrap();
    assert_eq!([&first.path, &second.path], [&named(""), &named("0")]);
    assert!(dead(&mount, "eth0").unwrap().is_empty(), "both are in use");
    // And memory that is taken over has the name after that.
    let left = mount.path.join("etsec-eth0-1");
    std::fs::write(&left, [0; PAGE]).unwrap();
    let mut heir = take_over_plain(&roots, &left, PAGE, 0x3000_0000).unwrap();
    heir.keep_as("eth0").unwrap();
    assert_eq!(heir.path(), named("00"));
    // Once it is kept it stays so.
    heir.keep_as("eth0").unwrap();
    drop((first, second));
    assert!(heir.path().exists() && !left.exists());
    drop(heir);
    assert_eq!(std::fs::read_dir(&mount.path).unwrap().count(), 0);
}

#[test]
fn a_region_is_zeroed_aligned_and_where_the_page_map_says() {
    let region = region_at(&[0x3000_0000, 0x3000_1000, 0x3000_2000]).unwrap();
    assert_eq!((region.bus().raw(), region.len()), (0x3000_0000, 3 * PAGE));
    assert_eq!(region.cpu().as_ptr() as usize % PAGE, 0);
    // SAFETY: the region is mapped, initialised and used by nobody else.
    let bytes = unsafe { std::slice::from_raw_parts(region.cpu().as_ptr(), region.len()) };
    assert!(bytes.iter().all(|byte| *byte == 0));
}

#[test]
fn holes_windows_and_hidden_frames_are_errors() {
    let check = |addresses: &[u64]| region_at(addresses).unwrap_err();
    assert!(matches!(check(&[0x3000_0000, 0x3000_2000]), Error::NotContiguous { .. }));
    assert!(matches!(check(&[0xFFFF_F000, 0x1_0000_0000]), Error::TwoWindows { .. }));
    assert!(matches!(check(&[0]), Error::FrameHidden { .. }));
    assert!(matches!(check(&[0x10_0000_0000]), Error::BeyondBus { .. }));
}

#[test]
fn an_ordinary_file_is_refused_for_hardware_and_leaves_nothing_behind() {
    let (_dir, roots, mount) = tree();
    let error = HugeRegion::create(&roots, &mount, "eth0", 1).unwrap_err();
    assert!(matches!(error, Error::NotHugePages { .. }), "{error}");
    assert_eq!(std::fs::read_dir(&mount.path).unwrap().count(), 0);
    // SAFETY: the file is this test's alone.
    let memfd = unsafe { HugeRegion::from_memfd(&roots, tempfile::tempfile().unwrap().into()) };
    assert!(matches!(memfd, Err(Error::NotHugePages { .. })));
}

#[test]
fn the_record_is_locked_while_the_region_lives_and_gone_afterwards() {
    let (_dir, mut roots, mount) = tree();
    roots.pagemap = Roots::default().pagemap;
    let record = Record::create(&roots, &mount, "eth0").unwrap();
    let path = mount.path.join(format!("etsec-eth0-{}", std::process::id()));
    assert!(path.exists());
    match HugeRegion::build(&roots, record, Some(1), Backing::Any(PAGE)) {
        Ok(region) => {
            assert_eq!(region.len(), PAGE);
            assert!(dead(&mount, "eth0").unwrap().is_empty());
        }
        // Without privilege the kernel hides the frame; the file must go all the same.
        Err(error) => assert!(matches!(error, Error::FrameHidden { .. }), "{error}"),
    }
    assert!(!path.exists());
}

#[test]
fn what_a_living_process_has_is_not_taken_over_and_what_is_no_memory_stays() {
    let (_dir, roots, mount) = tree();
    let path = mount.path.join(format!("etsec-eth0-{}", std::process::id()));
    let record = Record::create(&roots, &mount, "eth0").unwrap();
    record.set_length(2 * PAGE, PAGE).unwrap();
    let error = HugeRegion::take_over(&roots, &path).unwrap_err();
    assert!(matches!(error, Error::Busy { .. }), "{error}");
    drop(record);
    let gone = HugeRegion::take_over(&roots, &path).unwrap_err();
    assert!(matches!(gone, Error::Io { .. }), "{gone}");
    let foreign = mount.path.join("etsec-eth0-7");
    std::fs::write(&foreign, [1; PAGE]).unwrap();
    let error = HugeRegion::take_over(&roots, &foreign).unwrap_err();
    assert!(matches!(error, Error::NotHugePages { .. }), "{error}");
    assert!(foreign.exists(), "it is not ours to delete");
}

#[test]
fn names_and_sizes_out_of_range_are_errors() {
    let (_dir, roots, mount) = tree();
    for name in ["", "../eth0", "a\0b"] {
        let error = HugeRegion::create(&roots, &mount, name, 1).unwrap_err();
        assert!(matches!(error, Error::BadName { .. }), "{error}");
    }
    let record = Record::create(&roots, &mount, "eth0").unwrap();
    assert!(matches!(record.set_length(usize::MAX, PAGE), Err(Error::OutOfRange { .. })));
    record.set_length(0, PAGE).unwrap();
    assert!(matches!(map(&record, 0, PAGE), Err(Error::EmptyRegion)));
    // Files that somebody has cut off.
    for len in [0, 100, PAGE as u64 + 1] {
        record.file.set_len(len).unwrap();
        assert!(matches!(record.length(PAGE), Err(Error::OutOfRange { .. })), "{len}");
    }
    assert!(matches!(make_memfd("x", 1, 3000), Err(Error::OutOfRange { .. })));
}

/// Set in the process that has huge pages and a mount of them.
const INSIDE: &str = "ETSEC_TEST_HUGE_PAGES";
const RESERVED: &str = "/proc/sys/vm/nr_hugepages";

/// Huge pages reserved for a while; those that were there before stay.
struct Reserved(String);

impl Reserved {
    fn more(pages: u64) -> Result<Self, String> {
        let told = |error: std::io::Error| format!("{RESERVED}: {error}");
        let before = std::fs::read_to_string(RESERVED).map_err(told)?;
        let number: u64 = before.trim().parse().map_err(|_| format!("{RESERVED}: {before:?}"))?;
        let reserved = Reserved(before);
        std::fs::write(RESERVED, (number + pages).to_string()).map_err(told)?;
        let after = std::fs::read_to_string(RESERVED).map_err(told)?;
        if after.trim().parse() == Ok(number + pages) {
            Ok(reserved)
        } else {
            Err(format!("{RESERVED}: the kernel has no {pages} more huge pages"))
        }
    }
}

impl Drop for Reserved {
    fn drop(&mut self) {
        let _ = std::fs::write(RESERVED, &self.0);
    }
}

/// As the TAP tests do: where this cannot run it says so, and with `ETSEC_STRICT` it fails.
#[test]
fn real_huge_pages_come_and_go() {
    if std::env::var_os(INSIDE).is_some() {
        a_memfd_of_huge_pages_is_taken();
        return a_hugetlbfs_region_comes_and_goes();
    }
    let this = "hugepage::tests::real_huge_pages_come_and_go";
    let pages = match Reserved::more(4) {
        Ok(pages) => pages,
        Err(reason) => {
            assert!(std::env::var_os("ETSEC_STRICT").is_none(), "{this}: {reason}");
            // Not eprintln!, which the test harness would swallow.
            let _ = writeln!(std::io::stderr(), "SKIP: {this}: {reason}");
            return;
        }
    };
    let mount = tempfile::tempdir().unwrap();
    let output = std::process::Command::new("unshare")
        .args(["-m", "sh", "-c", "mount -t hugetlbfs none \"$0\" && exec \"$@\""])
        .arg(mount.path())
        .args(crate::testing::itself())
        .args(["--exact", "--nocapture", this])
        .env(INSIDE, "1")
        .output()
        .unwrap();
    drop(pages);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("1 passed"), "{text}{}", String::from_utf8_lossy(&output.stderr));
}

fn a_memfd_of_huge_pages_is_taken() {
    let memfd = make_memfd("etsec-test", 1, 2 << 20).unwrap();
    // SAFETY: the memfd is this test's alone.
    let region = unsafe { HugeRegion::from_memfd(&Roots::default(), memfd) }.unwrap();
    assert_eq!((region.len(), region.page_size()), (2 << 20, 2 << 20));
    assert_eq!(region.bus().raw() % (2 << 20), 0);
}

fn a_hugetlbfs_region_comes_and_goes() {
    let roots = Roots::default();
    let mount = crate::mounts::choose(&roots, 1, None).unwrap();
    let name = "unit-test";
    let path = mount.path.join(format!("etsec-{name}-{}", std::process::id()));
    let region = HugeRegion::create(&roots, &mount, name, 1).unwrap();
    assert_eq!((region.len(), region.page_size()), (mount.page_size, mount.page_size));
    assert!(region.bus().raw().is_multiple_of(mount.page_size as u64));
    // While it lives it is nobody's leftover.
    assert!(path.exists() && dead(&mount, name).unwrap().is_empty());
    drop(region);
    assert!(!path.exists());
    taken_over(&roots, &mount, name);
    whose_buffers_are_in_it(&roots, &mount, name);
}

/// What a dead process has left says whose buffers may be in it; who looks changes nothing.
fn whose_buffers_are_in_it(roots: &Roots, mount: &Mount, name: &str) {
    let carve = |name: &str| {
        let region = HugeRegion::create(roots, mount, name, 1).unwrap();
        let (path, file) = (region.path().to_owned(), region.record.file.try_clone().unwrap());
        let mut arena = etsec_core::Arena::new(region).map_err(|(_, error)| error).unwrap();
        let pool = arena.pool(4, 64).unwrap();
        (arena, pool, path, file)
    };
    let ((arena, pool, path, file), other) = (carve(name), carve("other"));
    other.1.set_name("uio:other").unwrap();
    pool.pair(&other.1).unwrap();
    let partners = || crate::leftover::partners(roots, name).unwrap();
    assert!(partners().is_empty(), "its owner lives");
    // It dies.
    std::mem::forget((arena, pool));
    lock::release(&file);
    for _ in 0..2 {
        assert_eq!(partners(), ["uio:other"]);
        assert_eq!(dead(mount, name).unwrap(), std::slice::from_ref(&path));
    }
    std::fs::remove_file(path).unwrap();
}

/// What one process has left another has, with its content, and deletes at its end.
fn taken_over(roots: &Roots, mount: &Mount, name: &str) {
    let left = mount.path.join(format!("etsec-{name}-1"));
    let region = HugeRegion::create(roots, mount, name, 1).unwrap();
    let bus = region.bus();
    // SAFETY: mapped, and this test's alone.
    unsafe { region.cpu().as_ptr().write(0x5A) };
    std::fs::rename(region.path(), &left).unwrap();
    let busy = HugeRegion::take_over(roots, &left).unwrap_err();
    assert!(matches!(busy, Error::Busy { .. }), "{busy}");
    // Its owner dies: the lock is free, and nothing is deleted.
    lock::release(&region.record.file);
    std::mem::forget(region);
    assert_eq!(dead(mount, name).unwrap(), std::slice::from_ref(&left));
    let other = HugeRegion::take_over(roots, &left).unwrap();
    drop(other);
    assert!(left.exists(), "whoever does not keep it leaves it");
    let mut heir = HugeRegion::take_over(roots, &left).unwrap();
    heir.keep_as(name).unwrap();
    assert!(!left.exists() && heir.path().exists());
    assert_eq!(heir.bus(), bus);
    // SAFETY: as above.
    assert_eq!(unsafe { heir.cpu().as_ptr().read() }, 0x5A);
    assert!(dead(mount, name).unwrap().is_empty());
    let own = heir.path().to_owned();
    drop(heir);
    assert!(!own.exists());
}
