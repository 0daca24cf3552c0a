//! Raw public keys by an `openssl s_client` that has them (RFC 7250; 3.2 or later). Debian 12's has none: it is built
//! from the source of the OpenSSL that is linked.
#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]

mod support;

use std::{
    env,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use support::{
    World,
    certified::{CERTIFICATES, Makers, ae, prepared, write, year},
    foreign::{alert_number, status},
};
use testkit::Process;

/// The program that `ATTACHE_OPENSSL` names, or else the one that is built, which may take minutes.
fn newer_openssl() -> PathBuf {
    let hint = "`cargo xtask openssl` builds an `openssl` with raw public keys (perl, make, gcc) and prints its path";
    let program = env::var_os("ATTACHE_OPENSSL").map_or_else(
        || {
            let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
            let mut command = Command::new(env!("CARGO"));
            command.args(["run", "--quiet", "--package", "xtask", "--", "openssl"]).current_dir(root);
            let built = command.stderr(Stdio::inherit()).output().unwrap();
            assert!(built.status.success(), "{hint}; it failed here");
            PathBuf::from(String::from_utf8(built.stdout).unwrap().trim_end())
        },
        PathBuf::from,
    );
    assert!(program.is_file(), "missing program `{}`: {hint}", program.display());
    program
}

/// The program insists on a certificate, of which it sends the key alone; a certificate is its second choice for
/// either end.
fn client(world: &World, program: &Path, name: &str) -> Process {
    let mut command = Command::new(program);
    command.args(["s_client", "-connect", &world.address.to_string(), "-ign_eof", "-tls1_2", "-cipher"]);
    command.args(["ECDHE-ECDSA-AES128-SHA256", "-enable_client_rpk", "-enable_server_rpk"]);
    command.arg("-cert").arg(world.path(&format!("{name}.pem")));
    command.arg("-key").arg(world.path(&format!("{name}.key")));
    Process::spawn(command)
}

/// A raw public key of the device; a key that nobody enrolled is refused and changes nothing (F-06). The program would
/// rather have a raw public key of the registrar, too, than a certificate, and gets it (RFC 7250 §4.1).
#[test]
fn a_raw_public_key_registers() {
    let program = newer_openssl();
    let makers = Makers::new(1);
    let mut world = prepared(&makers, CERTIFICATES);
    for name in ["raw", "stranger"] {
        let own = pki::self_signed(name, None, year(), &makers.rng).unwrap();
        write(world.folder.path(), name, &own);
    }
    world.serve();
    let ae_id = "//example.org/in-cse/Clamp";
    drop(world.run(&["credential", "add", "--public-key", "raw.pem", "--ae-id", ae_id]).success());
    let digest = world.digest();
    let refused = client(&world, &program, "stranger");
    assert_eq!(refused.wait_for_line("an alert", alert_number), 46);
    assert_eq!(world.digest(), digest);
    let mut lamp = client(&world, &program, "raw");
    for expected in
        ["Client-to-server raw public key negotiated", "Server-to-client raw public key negotiated"]
    {
        lamp.wait_for_line(expected, |line| (line == expected).then_some(()));
    }
    lamp.send(ae("Clamp").as_bytes());
    assert_eq!(lamp.wait_for_line("the status code", status), "2001");
}
