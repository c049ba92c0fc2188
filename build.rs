//! How the program is linked.

#[expect(clippy::disallowed_methods, reason = "cargo tells a build script about its target by the environment")]
fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let is = |key: &str, value: &str| std::env::var(key).is_ok_and(|found| found == value);
    // At a fixed address, the loader has nothing to relocate: a tenth of what a short command takes (docs/decisions/0008).
    if is("CARGO_CFG_TARGET_OS", "linux") && is("CARGO_CFG_TARGET_ENV", "gnu") {
        println!("cargo::rustc-link-arg-bins=-no-pie");
    }
}
