//! How the program is linked: so that it is there as soon as it is called (docs/decisions/0008-a-short-process.md).

use std::path::Path;

/// What the linker finds where it looks for the shared library of the unwinder: the same as a part of the program. A script
/// instead of a library is what every linker of Linux understands.
const UNWINDER: &str = "INPUT(-lgcc_eh -lgcc)\n";

#[expect(clippy::disallowed_methods, reason = "cargo tells a build script about its target by the environment")]
fn main() -> std::io::Result<()> {
    println!("cargo::rerun-if-changed=build.rs");
    let is = |key: &str, value: &str| std::env::var(key).is_ok_and(|found| found == value);
    if !is("CARGO_CFG_TARGET_OS", "linux") || !is("CARGO_CFG_TARGET_ENV", "gnu") {
        return Ok(());
    }
    // At a fixed address the loader has nothing to relocate.
    println!("cargo::rustc-link-arg-bins=-no-pie");
    // One library less to find, map and bind.
    if let Some(out) = std::env::var_os("OUT_DIR") {
        let out = Path::new(&out);
        std::fs::write(out.join("libgcc_s.so"), UNWINDER)?;
        println!("cargo::rustc-link-search=native={}", out.display());
    }
    Ok(())
}
