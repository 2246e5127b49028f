//! Tells the linker where the images' memory is.

fn main() {
    let here = std::env::var("CARGO_MANIFEST_DIR").expect("cargo sets it");
    println!("cargo::rerun-if-changed=link.ld");
    println!("cargo::rustc-link-arg-bins=-T{here}/link.ld");
    println!("cargo::rustc-link-arg-bins=--gc-sections");
}
