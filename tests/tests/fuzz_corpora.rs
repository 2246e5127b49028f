//! Do the inputs that fuzzing has found worth keeping, crashes that were mended among them, still
//! do no harm? (`cargo xtask fuzz` looks for more.)

use std::fs;
use std::path::Path;

use etsec_tests::fuzz::{TARGETS, run};

/// Most bytes of all kept inputs of a target: they are played in each run of the tests.
const KEPT_MAX: usize = 30_000;

#[test]
fn kept_inputs_do_no_harm() {
    let corpora = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
    for (name, _) in TARGETS {
        let mut files: Vec<_> = fs::read_dir(corpora.join(name))
            .unwrap_or_else(|error| panic!("tests/fuzz/corpus/{name}: {error}"))
            .map(|entry| entry.expect("a file").path())
            .collect();
        files.sort();
        assert!(!files.is_empty(), "tests/fuzz/corpus/{name} is empty");
        let mut kept = 0;
        for file in files {
            // Of a panic this is what is seen first.
            println!("{}", file.display());
            let data = fs::read(&file).expect("it can be read");
            kept += data.len();
            run(name, &data);
        }
        assert!(kept <= KEPT_MAX, "tests/fuzz/corpus/{name}: {kept} bytes; keep fewer");
    }
}

#[test]
fn noise_does_no_harm() {
    let mut random = etsec_sim::random::Random::new(1);
    for (name, target) in TARGETS {
        for n in 0..200 {
            let len = random.below(400) as usize;
            let data: Vec<u8> = (0..len).map(|_| random.next() as u8).collect();
            println!("{name} {n}");
            target(&data);
        }
    }
}
