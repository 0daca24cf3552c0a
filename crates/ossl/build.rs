//! Tells the code whether the OpenSSL that is linked has raw public keys (RFC 7250), which came with 3.2.

use std::env;

const WITH_RAW_PUBLIC_KEYS: u64 = 0x3020_0000;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-check-cfg=cfg(raw_public_keys)");
    // Set by the build script of openssl-sys, in hexadecimal digits.
    let version = env::var("DEP_OPENSSL_VERSION_NUMBER").ok();
    let version = version.and_then(|digits| u64::from_str_radix(&digits, 16).ok());
    if version.is_some_and(|version| version >= WITH_RAW_PUBLIC_KEYS) {
        println!("cargo::rustc-cfg=raw_public_keys");
    }
}
