//! Phase A with certificates at both ends (TS-0003 §8.2.2.2), and X9 to X12, X14 between CSEs.

mod support;

use std::fs;

use onem2m::{primitive::Operation, status::ResponseStatusCode as Rsc};
use serde_json::json;
use support::{
    certified::{Makers, of_cse, write, year},
    pair::{IN, MN, Pair, Peer, add_cse, certified_cse, certified_registrar, key_hex, said},
};
use testkit::wait_until;

/// A1 to A5 and A7.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_registers_by_certificate() {
    let makers = Makers::new(1);
    let mut pair = Pair::certified(&makers);
    pair.infrastructure.serve();
    pair.gateway.serve();
    pair.gateway.wait_until_registered();
    let (rsc, base) = pair.infrastructure.remote("/mn-cse-123456/home_gateway");
    assert_eq!((rsc, &base["m2m:cb"]["csi"]), (2000, &json!("/mn-cse-123456")), "A7, over SA2");
    assert_eq!(pair.gateway.remote("/in-cse/server").0, 2000);
    let told = |world: &support::World| world.run(&["--json", "inspect", "associations"]).success().stdout;
    let (sa1, sa2) = (told(&pair.infrastructure), told(&pair.gateway));
    assert!(sa1.contains("32-mn-cse-123456.in-cse.example.org") && sa1.contains(MN), "{sa1}");
    assert!(sa2.contains("32-in-cse.example.org") && sa2.contains(IN), "{sa2}");

    let gateway = makers.gateway("mn-cse-123456");
    let mut peer = pair.infrastructure.associate_as(&gateway).await;
    let again = peer.register("/mn-cse-123456", "/in-cse/server", "/mn-cse-123456", &[]).await;
    assert_eq!(again.rsc, Rsc::OriginatorHasAlreadyRegistered, "A5");
    pair.infrastructure.kill();
    pair.infrastructure.serve();
    wait_until("both ways again", || {
        let ways =
            (pair.gateway.remote("/in-cse/server").0, pair.infrastructure.remote("/mn-cse-123456/-").0);
        (ways == (2000, 2000)).then_some(())
    });
}

/// X9 to X12.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_good_certificate_is_for_one_name() {
    let makers = Makers::new(2);
    let mut pair = Pair::certified(&makers);
    pair.infrastructure.serve();
    let mut rogue = pair.infrastructure.associate_as(&makers.gateway("mn-cse-999")).await;
    let before = pair.infrastructure.digest();
    let early = rogue.register("/mn-cse-123456", "/in-cse/server", "/mn-cse-123456", &[]).await;
    assert_eq!(early.rsc, Rsc::OriginatorNotAuthenticated, "X9");
    assert_eq!(pair.infrastructure.digest(), before);
    pair.gateway.serve();
    pair.gateway.wait_until_registered();
    let before = pair.infrastructure.digest();
    let late = rogue.register("/mn-cse-123456", "/in-cse/server", "/mn-cse-123456", &[]).await;
    assert_eq!((late.rsc, late.pc), (early.rsc, early.pc), "X9: no oracle");
    assert_eq!(pair.infrastructure.digest(), before);
    let own = rogue.register("/mn-cse-999", "/in-cse/server", "/mn-cse-999", &[]).await;
    assert_eq!(own.rsc, Rsc::Created);
    let before = pair.infrastructure.digest();
    for from in ["/mn-cse-123456", "/mn-cse-123456/Clight1", "Cphone1", "/in-cse/Cphone1", "/in-cse"] {
        for operation in [Operation::Retrieve, Operation::Delete] {
            for to in ["/in-cse/server", "/in-cse/server/home_gateway", "/mn-cse-123456/-"] {
                let answer = rogue.ask(said(operation, from, to)).await;
                assert_eq!(answer.rsc, Rsc::OriginatorNotAuthenticated, "X10 to X12: {to} as {from}");
            }
        }
    }
    assert_eq!(pair.infrastructure.digest(), before);
    assert_eq!(pair.infrastructure.remote("/mn-cse-123456/-").0, 2000, "the victim is served");
}

/// X14 upwards: whoever answers at the registrar's address has to be the registrar.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_believes_its_registrar_alone() {
    let makers = Makers::new(3);
    let mut pair = Pair::certified(&makers);
    for (name, foreign, said) in [
        ("mn-cse-9.in-cse.example.org", None, "mn-cse-9"),
        ("in-cse.example.org", Some(Makers::new(4)), "not trusted"),
    ] {
        let issued = foreign.as_ref().unwrap_or(&makers).issue(&of_cse(name));
        write(pair.infrastructure.folder.path(), "server", &issued);
        pair.infrastructure.serve();
        pair.gateway.serve();
        let trouble = pair.gateway.trouble();
        assert!(trouble.starts_with("it is not trusted") && trouble.contains(said), "{trouble}");
        let told = pair.infrastructure.run(&["--json", "inspect", "registrations"]).success().stdout;
        assert_eq!(told, "", "nothing was said to it");
        pair.gateway.kill();
        pair.infrastructure.kill();
    }
}

/// X14 downwards: at a registree's point of access somebody else answers, with a good certificate of its own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_registrar_believes_the_registree_alone() {
    let makers = Makers::new(5);
    let mut pair = Pair::certified(&makers);
    pair.infrastructure.serve();
    let mut other = certified_cse(
        &makers,
        ("//example.org/mn-other", "mn-other.in-cse.example.org"),
        ("mn", "other", 0),
        &certified_registrar(IN, pair.infrastructure.address),
    );
    other.serve();
    other.wait_until_registered();
    assert_eq!(pair.infrastructure.remote("/mn-other/-").0, 2000);
    let mut victim = pair.infrastructure.associate_as(&makers.gateway("mn-cse-123456")).await;
    let elsewhere = vec![format!("https://{}", other.address)];
    let registered = victim.register("/mn-cse-123456", "/in-cse/server", "/mn-cse-123456", &elsewhere).await;
    assert_eq!(registered.rsc, Rsc::Created);
    assert_eq!(pair.infrastructure.remote("/mn-cse-123456/-").0, 5103);
    assert_eq!(other.audit("request.refuse").len(), 0, "nothing was said to it");
}

/// A certificate on the revocation list ends both directions.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revoked_certificate_ends_both_directions() {
    let makers = Makers::new(6);
    let mut pair = Pair::certified(&makers);
    let gateway = makers.gateway("mn-cse-123456");
    write(pair.gateway.folder.path(), "server", &gateway);
    pair.infrastructure.serve();
    pair.gateway.serve();
    pair.gateway.wait_until_registered();
    assert_eq!(pair.infrastructure.remote("/mn-cse-123456/-").0, 2000);
    let list = makers.revocation_list(2, &[&gateway]);
    fs::write(pair.infrastructure.path("crl.pem"), list).unwrap();
    wait_until("the end of SA2", || (pair.infrastructure.remote("/mn-cse-123456/-").0 == 5103).then_some(()));
    let trouble = pair.gateway.trouble();
    assert!(trouble.contains("refused the handshake"), "{trouble}");
    assert!(pair.gateway.registration()["registered_until"].is_null());
}

/// A renewed certificate is proved to other CSEs from the next association on, without a restart; the live one stays.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_renewed_certificate_is_proved_from_the_next_association_on() {
    let makers = Makers::new(10);
    let mut pair = Pair::certified(&makers);
    let old = makers.gateway("mn-cse-123456");
    write(pair.gateway.folder.path(), "server", &old);
    pair.infrastructure.serve();
    pair.gateway.serve();
    pair.gateway.wait_until_registered();
    let associations = || pair.infrastructure.run(&["--json", "inspect", "associations"]).success().stdout;
    let before = associations();
    assert!(before.contains(MN), "{before}");

    write(pair.gateway.folder.path(), "server", &makers.gateway("mn-cse-123456"));
    pair.gateway.server().hang_up();
    pair.gateway.wait_for_line(|line| line.contains("was reloaded").then_some(()));
    assert_eq!(pair.gateway.remote("/in-cse/server").0, 2000);
    assert_eq!(associations(), before, "the live one stays");
    // Whoever still proved the old one would not be let in.
    fs::write(pair.infrastructure.path("crl.pem"), makers.revocation_list(2, &[&old])).unwrap();
    wait_until("another association", || {
        let after = associations();
        (after.contains(MN) && after != before).then_some(())
    });
    wait_until("the way up", || (pair.gateway.remote("/in-cse/server").0 == 2000).then_some(()));
    assert_eq!(
        pair.infrastructure.remote("/mn-cse-123456/-").0,
        2000,
        "and down, for the listener is renewed too"
    );
}

/// The same by our own records, at either end.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_withdrawn_at_either_end_ends_both_directions() {
    for at_the_gateway in [false, true] {
        let makers = Makers::new(7);
        let mut pair = Pair::certified(&makers);
        pair.infrastructure.serve();
        pair.gateway.serve();
        pair.gateway.wait_until_registered();
        assert_eq!(pair.infrastructure.remote("/mn-cse-123456/-").0, 2000);
        let (world, name, cse) = if at_the_gateway {
            (&pair.gateway, "in-cse.example.org", IN)
        } else {
            (&pair.infrastructure, "mn-cse-123456.in-cse.example.org", MN)
        };
        let name_of = format!("cse:{name}");
        drop(world.run(&["credential", "add", "--certificate-name", &name_of, "--cse-id", cse]).success());
        drop(world.run(&["credential", "revoke", &format!("32-{name}")]).success());
        wait_until("5103 down", || (pair.infrastructure.remote("/mn-cse-123456/-").0 == 5103).then_some(()));
        wait_until("5103 up", || (pair.gateway.remote("/in-cse/server").0 == 5103).then_some(()));
        let trouble = pair.gateway.trouble();
        let expected = if at_the_gateway { "revoked" } else { "refused the handshake" };
        assert!(trouble.contains(expected), "{trouble}");
    }
}

/// A gateway whose public key is enrolled: nothing else in its certificate counts, in neither direction.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_enrolled_public_key_is_for_both_directions() {
    let (makers, foreign) = (Makers::new(8), Makers::new(9));
    let mut pair = Pair::certified(&makers);
    let gateway = foreign.gateway("mn-cse-123456");
    write(pair.gateway.folder.path(), "server", &gateway);
    write(pair.infrastructure.folder.path(), "gateway", &gateway);
    let add = ["credential", "add", "--public-key", "gateway.pem", "--cse-id", MN];
    drop(pair.infrastructure.run(&add).success());
    pair.infrastructure.serve();
    pair.gateway.serve();
    pair.gateway.wait_until_registered();
    assert_eq!(pair.infrastructure.remote("/mn-cse-123456/-").0, 2000);
    // Another key behind the same name is somebody else's.
    pair.gateway.kill();
    write(pair.gateway.folder.path(), "server", &makers.gateway("mn-cse-123456"));
    pair.gateway.serve();
    pair.gateway.wait_until_registered();
    assert_eq!(pair.gateway.remote("/in-cse/server").0, 2000, "by its name it is the same CSE");
    assert_eq!(pair.infrastructure.remote("/mn-cse-123456/-").0, 5103, "but not the key that registered");
}

/// With a demand for a chain, that counts in both directions: the key in the chain of somebody else, whom the registrar
/// believes otherwise, is not met.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_demanded_chain_is_demanded_in_both_directions() {
    let (makers, industry) = (Makers::new(20), Makers::new(21));
    for renewed in [false, true] {
        let mut pair = Pair::certified(&makers);
        let gateway = industry.gateway("mn-cse-123456");
        write(pair.gateway.folder.path(), "server", &gateway);
        write(pair.infrastructure.folder.path(), "gateway", &gateway);
        fs::write(pair.infrastructure.path("industry.pem"), industry.root.root_pem().unwrap()).unwrap();
        let add = [
            "credential",
            "add",
            "--public-key",
            "gateway.pem",
            "--chain-anchors",
            "industry.pem",
            "--cse-id",
            MN,
        ];
        drop(pair.infrastructure.run(&add).success());
        pair.infrastructure.serve();
        pair.gateway.serve();
        pair.gateway.wait_until_registered();
        if renewed {
            let key = pki::PrivateKey::from_bytes(gateway.key_pem.as_ref().unwrap().as_bytes()).unwrap();
            let profile = of_cse("mn-cse-123456.in-cse.example.org");
            let other =
                makers.issuer.issue(&profile, pki::SubjectKey::Private(&key), year(), &makers.rng).unwrap();
            fs::write(pair.gateway.path("server.pem"), other.chain_pem).unwrap();
            pair.gateway.server().hang_up();
            pair.gateway.wait_for_line(|line| line.contains("was reloaded").then_some(()));
        }
        let expected = if renewed { 5103 } else { 2000 };
        assert_eq!(pair.infrastructure.remote("/mn-cse-123456/-").0, expected, "another chain: {renewed}");
    }
}

/// An authority that writes names in lower case: they stand for the CSE that the registrar knows, unless it knows two
/// that differ by letter case alone (register A-50).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_in_other_letters_is_the_cse_that_is_known() {
    const REFUSED: &str = "the registrar refused our certificate (alert certificate_unknown)";
    let makers = Makers::new(11);
    let mut world = certified_cse(&makers, (IN, "in-cse.example.org"), ("in", "server", 0), "");
    world.serve();
    let lower = makers.gateway("mn-cse-7");
    let mut early = world.associate_as(&lower).await;
    add_cse(&world, "seven@example.org", "//example.org/MN-Cse-7", &key_hex(7));
    let register =
        async |peer: &mut Peer, csi: &str| peer.register(csi, "/in-cse/server", csi, &[]).await.rsc;
    let mut peer = world.associate_as(&lower).await;
    assert_eq!(register(&mut peer, "/mn-cse-7").await, Rsc::OriginatorNotAuthenticated);
    assert_eq!(register(&mut peer, "/MN-Cse-7").await, Rsc::Created);
    let told = world.run(&["--json", "inspect", "registrations"]).success().stdout;
    assert!(told.contains("32-MN-Cse-7.in-cse.example.org"), "on record as it is known: {told}");
    // Whoever came before it was known is another one, and stays so.
    assert_eq!(register(&mut early, "/MN-Cse-7").await, Rsc::OriginatorNotAuthenticated);
    let mut other = world.associate_as(&makers.gateway("Mn-Cse-9")).await;
    assert_eq!(register(&mut other, "/Mn-Cse-9").await, Rsc::Created, "of whom nothing is known");

    add_cse(&world, "twin@example.org", "//example.org/mn-CSE-7", &key_hex(8));
    let digest = world.digest();
    let refused = async |issued| {
        let error = world.try_associate_as(issued).await.err().unwrap();
        std::error::Error::source(&error).unwrap().to_string()
    };
    assert_eq!(refused(&lower).await, REFUSED, "one of two");
    let mut exact = world.associate_as(&makers.gateway("MN-Cse-7")).await;
    assert_eq!(register(&mut exact, "/MN-Cse-7").await, Rsc::OriginatorHasAlreadyRegistered);
    assert_eq!(world.digest(), digest);

    // What is withdrawn is so in any letters.
    let name = "MN-Cse-8.in-cse.example.org";
    let whose = ["--certificate-name", &format!("cse:{name}"), "--cse-id", "//example.org/MN-Cse-8"];
    drop(world.run(&[&["credential", "add"][..], &whose].concat()).success());
    drop(world.run(&["credential", "revoke", &format!("32-{name}")]).success());
    assert_eq!(refused(&makers.gateway("mn-cse-8")).await, REFUSED, "withdrawn");
}

/// Such a gateway by the program: it registers, and is reached by the same certificate.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_with_a_name_in_other_letters_is_reached() {
    let makers = Makers::new(12);
    let mut world = certified_cse(&makers, (IN, "in-cse.example.org"), ("in", "server", 0), "");
    add_cse(&world, "seven@example.org", "//example.org/MN-Cse-7", &key_hex(7));
    world.serve();
    let mut gateway = certified_cse(
        &makers,
        ("//example.org/MN-Cse-7", "mn-cse-7.in-cse.example.org"),
        ("mn", "seven", 0),
        &certified_registrar(IN, world.address),
    );
    gateway.serve();
    gateway.wait_until_registered();
    assert_eq!(gateway.remote("/in-cse/server").0, 2000);
    assert_eq!(world.remote("/MN-Cse-7/-").0, 2000);
    // Nobody else is reached in its place who only has a name like it.
    add_cse(&world, "twin@example.org", "//example.org/mn-cse-7", &key_hex(8));
    world.kill();
    world.serve();
    assert_eq!(world.remote("/MN-Cse-7/-").0, 5103);
}
