//! What must not compile: each program of `compile_fail/` is a mistake the types are there to stop.

#[test]
fn mistakes_do_not_compile() {
    let cases = trybuild::TestCases::new();
    cases.compile_fail("tests/compile_fail/wrong_*.rs");
}
