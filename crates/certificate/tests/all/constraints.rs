//! Name constraints (RFC 5280 §4.2.1.10): otherName subtrees, of which OpenSSL knows nothing, domain names and
//! the `m2m:` URIs of AEs.

#![expect(clippy::cloned_ref_to_slice_refs, reason = "the rows of a table read alike")]

use certificate::{Anchors, Chain, Flavour, Purpose, Reason, Rule, check_profile, verify};

use crate::factory::*;

const ARC: &str = "0.2.481.1";

/// Permitted and excluded.
type Bases = (Vec<Vec<u8>>, Vec<Vec<u8>>);

/// One row: what the issuers permit and exclude from the top down, the names below, and what is broken.
struct Row {
    what: &'static str,
    issuers: Vec<Bases>,
    names: Vec<Vec<u8>>,
    broken: Option<Rule>,
}

fn row(
    what: &'static str,
    permitted: &[Vec<u8>],
    excluded: &[Vec<u8>],
    names: &[Vec<u8>],
    broken: Option<Rule>,
) -> Row {
    Row { what, issuers: vec![(permitted.to_vec(), excluded.to_vec())], names: names.to_vec(), broken }
}

fn judge(row: &Row, at_root: bool) -> Option<Rule> {
    let constrain = |issuer: &Bases, draft: &mut Draft| {
        if !issuer.0.is_empty() || !issuer.1.is_empty() {
            draft.put(CONSTRAINTS, true, constraints(&issuer.0, &issuer.1));
        }
    };
    let (first, rest) = row.issuers.split_first().unwrap();
    let root = Ca::root(|draft| {
        if at_root {
            constrain(first, draft);
        }
    });
    let mut issuer = root.below("First", |draft| {
        if !at_root {
            constrain(first, draft);
        }
    });
    for next in rest {
        issuer = issuer.below("Next", |draft| constrain(next, draft));
    }
    let chain = issuer.leaf(&row.names, |_| {});
    let anchors = Anchors::from_pem(&root.pem(), now()).unwrap();
    match verify(&anchors, &Chain::from_der(&chain).unwrap(), Purpose::Client, now(), false) {
        Ok(()) => None,
        Err(refusal) => {
            assert_eq!(refusal.alert(), 42, "{}", row.what);
            match refusal.reason {
                Reason::Profile(violation) => Some(violation.rule),
                // OpenSSL was first: not permitted, excluded, minimum or maximum, or not understood.
                Reason::Path { code: 47, .. } => Some(Rule::Permitted),
                Reason::Path { code: 48, .. } => Some(Rule::Excluded),
                Reason::Path { code: 49, .. } => Some(Rule::SubtreeDepth),
                Reason::Path { code: 51..=53, .. } => Some(Rule::UnclearConstraint),
                other => panic!("{}: {other}", row.what),
            }
        }
    }
}

fn run(rows: &[Row]) {
    for row in rows {
        for at_root in [false, true] {
            assert_eq!(judge(row, at_root), row.broken, "{} (at the root: {at_root})", row.what);
        }
    }
}

fn other_name_rows() -> Vec<Row> {
    use Rule::{Excluded, Permitted, UnclearConstraint};
    let maker = device(ARC, &[100]);
    let instance = device(ARC, &[100, 3030, 10011]);
    let all = other(ARC, &tlv(0x0d, &[]));
    let user = other("1.3.6.1.4.1.311.20.2.3", &tlv(0x0c, b"user@example.org"));
    vec![
        row("within the subtree", &[maker.clone()], &[], &[instance.clone()], None),
        row("the subtree itself", &[instance.clone()], &[], &[instance.clone()], None),
        row("another maker", &[maker.clone()], &[], &[device(ARC, &[101, 3030, 10011])], Some(Permitted)),
        row("above the subtree", &[instance.clone()], &[], &[maker.clone()], Some(Permitted)),
        row(
            "octets in common, no arc",
            &[device(ARC, &[100])],
            &[],
            &[device(ARC, &[12800, 1])],
            Some(Permitted),
        ),
        row("another arc", &[maker.clone()], &[], &[device("0.2.481.2", &[100, 1])], Some(Permitted)),
        row("two subtrees", &[device(ARC, &[7]), maker.clone()], &[], &[instance.clone()], None),
        row(
            "one of two names outside",
            &[maker.clone()],
            &[],
            &[instance.clone(), device(ARC, &[101, 1])],
            Some(Permitted),
        ),
        row("excluded", &[], &[maker.clone()], &[instance.clone()], Some(Excluded)),
        row("excluded elsewhere", &[], &[device(ARC, &[101])], &[instance.clone()], None),
        row(
            "permitted but for a part",
            &[maker.clone()],
            &[device(ARC, &[100, 3030])],
            &[instance.clone()],
            Some(Excluded),
        ),
        row(
            "permitted, in no excluded part",
            &[maker.clone()],
            &[device(ARC, &[100, 3031])],
            &[instance.clone()],
            None,
        ),
        // The object identifier counts, not where it is cut in two.
        row("cut later in the name", &[maker.clone()], &[], &[device("0.2.481.1.100", &[3030, 10011])], None),
        row("cut later in the subtree", &[device("0.2.481.1.100", &[3030])], &[], &[instance.clone()], None),
        row(
            "excluded, cut later",
            &[],
            &[maker.clone()],
            &[device("0.2.481.1.100", &[3030, 10011])],
            Some(Excluded),
        ),
        row("the whole arc", &[all.clone()], &[], &[instance.clone()], None),
        row("the whole arc excluded", &[], &[all], &[instance.clone()], Some(Excluded)),
        // Names of foreign kinds.
        row(
            "a user where devices are permitted",
            &[maker.clone()],
            &[],
            &[instance.clone(), user.clone()],
            Some(Permitted),
        ),
        row(
            "a user where a maker is excluded",
            &[],
            &[device(ARC, &[7])],
            &[instance.clone(), user.clone()],
            None,
        ),
        row("a constraint on users", &[user.clone()], &[], &[instance.clone()], Some(UnclearConstraint)),
        row("users excluded", &[], &[user], &[instance.clone()], Some(UnclearConstraint)),
        row("a constraint on devices, a CSE", &[maker.clone()], &[], &[dns("a.example.org")], None),
        row("a constraint on domains, a device", &[dns("example.org")], &[], &[instance.clone()], None),
        // A badly encoded arc in a constraint.
        row(
            "a padded arc",
            &[other(ARC, &tlv(0x0d, &[0x80, 100]))],
            &[],
            &[instance.clone()],
            Some(UnclearConstraint),
        ),
        row(
            "an arc without an end",
            &[],
            &[other(ARC, &tlv(0x0d, &[0xe4]))],
            &[instance],
            Some(UnclearConstraint),
        ),
    ]
}

#[test]
fn other_names() {
    run(&other_name_rows());
}

/// When OpenSSL gives up at an otherName, it has not judged the rest of the names; it is judged here.
#[test]
fn other_kinds_beside_other_names() {
    use Rule::{Permitted, UnclearConstraint};
    let maker = device(ARC, &[100]);
    let instance = device(ARC, &[100, 1, 2]);
    let within = |base: Vec<u8>| vec![maker.clone(), base];
    let with = |name: Vec<u8>| vec![instance.clone(), name];
    run(&[
        row("a domain within", &within(dns("example.org")), &[], &with(dns("a.example.org")), None),
        row(
            "a domain outside",
            &within(dns("example.org")),
            &[],
            &with(dns("a.example.net")),
            Some(Permitted),
        ),
        row(
            "the end of a label",
            &within(dns("p.example.org")),
            &[],
            &with(dns("sp.example.org")),
            Some(Permitted),
        ),
        row("a domain in other letters", &within(dns("EXAMPLE.org")), &[], &with(dns("a.Example.ORG")), None),
        row(
            "a host outside",
            &within(uri("example.org")),
            &[],
            &with(uri("https://example.net/")),
            Some(Permitted),
        ),
        row(
            "a mail address",
            &within(mail("example.org")),
            &[],
            &with(mail("a@example.org")),
            Some(UnclearConstraint),
        ),
        row(
            "an address",
            &within(context(7, &[10, 0, 0, 0, 255, 0, 0, 0])),
            &[],
            &with(context(7, &[10, 0, 0, 1])),
            Some(UnclearConstraint),
        ),
        row(
            "a mail address in an otherName",
            &[mail("example.org")],
            &[maker.clone()],
            &[device(ARC, &[7]), other("1.3.6.1.5.5.7.8.9", &tlv(0x0c, b"a@example.org"))],
            Some(UnclearConstraint),
        ),
        row("no mail address", &within(mail("example.org")), &[], &[instance.clone()], None),
    ]);
}

/// OpenSSL looks at the subject first, and at issuers from the top down: what it has not come to is a directory
/// name that stands after an otherName, and what a lower issuer says of subjects.
#[test]
fn directory_names_beside_other_names() {
    let maker = device(ARC, &[100]);
    let instance = device(ARC, &[100, 1, 2]);
    let called = |attributes: &[(&str, &str)]| explicit(4, &directory(attributes));
    let leaf = called(&[("2.5.4.3", "Leaf")]);
    let longer = called(&[("2.5.4.3", "Leaf"), ("2.5.4.10", "Org")]);
    let bits = explicit(4, &sequence(&tlv(0x31, &sequence(&[oid("2.5.4.3"), tlv(0x1e, b"\0L")].concat()))));
    let cases: [(&str, Bases, Option<Rule>); 8] = [
        ("permitted", (vec![leaf.clone()], vec![]), None),
        ("permitted as a part", (vec![called(&[])], vec![]), None),
        ("not permitted", (vec![called(&[("2.5.4.3", "Other")])], vec![]), Some(Rule::Permitted)),
        ("shorter than what is permitted", (vec![longer.clone()], vec![]), Some(Rule::Permitted)),
        ("excluded", (vec![], vec![leaf.clone()]), Some(Rule::Excluded)),
        ("excluded in other letters", (vec![], vec![called(&[("2.5.4.3", " LEAF ")])]), Some(Rule::Excluded)),
        ("shorter than what is excluded", (vec![], vec![longer]), None),
        ("a string that nobody compares", (vec![], vec![bits]), Some(Rule::UnclearConstraint)),
    ];
    for (what, (permitted, excluded), broken) in cases {
        let in_names = row(
            what,
            &[permitted.clone(), vec![maker.clone()]].concat(),
            &excluded,
            &[instance.clone(), leaf.clone()],
            broken,
        );
        assert_eq!(judge(&in_names, false), broken, "{what}");
        let in_subject = Row {
            what,
            issuers: vec![(vec![maker.clone()], vec![]), (permitted, excluded)],
            names: vec![instance.clone()],
            broken,
        };
        assert_eq!(judge(&in_subject, false), broken, "{what}, of the subject");
    }
}

/// Names of intermediates obey the issuers above them as well.
#[test]
fn other_names_of_intermediates() {
    for (intermediate, leaf, broken) in [
        (vec![100], vec![100, 1], None),
        (vec![101], vec![100, 1], Some(("certificate 1, subjectAltName", Rule::Permitted))),
        (vec![100], vec![101, 1], Some(("certificate 0, subjectAltName", Rule::Permitted))),
    ] {
        let root = Ca::root(|draft| draft.put(CONSTRAINTS, true, constraints(&[device(ARC, &[100])], &[])));
        let issuer = root.below("Issuer", |draft| draft.names(&[device(ARC, &intermediate)]));
        let chain = Chain::from_der(&issuer.leaf(&[device(ARC, &leaf)], |_| {})).unwrap();
        let anchors = Anchors::from_pem(&root.pem(), now()).unwrap();
        let verdict = verify(&anchors, &chain, Purpose::Client, now(), false);
        let found = verdict.err().map(|refusal| match refusal.reason {
            Reason::Profile(violation) => (violation.place, violation.rule),
            other => panic!("{other}"),
        });
        assert_eq!(found, broken.map(|(place, rule)| (place.to_owned(), rule)));
    }
}

/// A mail address in the subject counts where mail addresses are constrained (RFC 5280 §4.2.1.10); here nobody
/// compares the two.
#[test]
fn mail_in_the_subject() {
    let root = Ca::root(|_| {});
    let issuer = root.below("Issuer", |draft| {
        draft.put(CONSTRAINTS, true, constraints(&[device(ARC, &[100]), mail("example.org")], &[]));
    });
    let chain = issuer.leaf(&[device(ARC, &[100, 1])], |draft| {
        let mail = tlv(0x31, &sequence(&[oid("1.2.840.113549.1.9.1"), tlv(0x16, b"a@example.org")].concat()));
        draft.subject = sequence(&mail);
    });
    let anchors = Anchors::from_pem(&root.pem(), now()).unwrap();
    let chain = Chain::from_der(&chain).unwrap();
    let refusal = verify(&anchors, &chain, Purpose::Client, now(), false).unwrap_err();
    assert!(
        matches!(&refusal.reason, Reason::Profile(violation) if violation.rule == Rule::UnclearConstraint),
        "{refusal}"
    );
}

/// Where OpenSSL has not come to policies, a path that constrains them is refused.
#[test]
fn policies_beside_other_names() {
    let root = Ca::root(|_| {});
    let anchors = Anchors::from_pem(&root.pem(), now()).unwrap();
    let explicit_policy = sequence(&context(0, &[0]));
    for (constrained, policy, accepted) in
        [(false, false, true), (true, false, true), (false, true, false), (true, true, false)]
    {
        let issuer = root.below("Issuer", |draft| {
            if constrained {
                draft.put(CONSTRAINTS, true, constraints(&[device(ARC, &[100])], &[]));
            }
            if policy {
                draft.put(POLICY_CONSTRAINTS, true, explicit_policy.clone());
            }
        });
        let chain = Chain::from_der(&issuer.leaf(&[device(ARC, &[100, 1])], |_| {})).unwrap();
        let verdict = verify(&anchors, &chain, Purpose::Client, now(), false);
        assert_eq!(verdict.is_ok(), accepted, "{constrained} {policy}: {verdict:?}");
    }
}

#[test]
fn domains() {
    use Rule::{Excluded, Permitted, UnclearConstraint};
    let name = [dns("Mn-Cse.in-cse.sp.example.org")];
    run(&[
        row("the domain of the provider", &[dns("sp.example.org")], &[], &name, None),
        row("in other letters", &[dns("SP.Example.ORG")], &[], &name, None),
        row("the name itself", &[dns("mn-cse.in-cse.sp.example.org")], &[], &name, None),
        row("a dot in front", &[dns(".sp.example.org")], &[], &name, None),
        row("everything", &[dns("")], &[], &name, None),
        row("a single label", &[dns("org")], &[], &name, None),
        row("the end of a label", &[dns("p.example.org")], &[], &name, Some(Permitted)),
        row("below the name", &[dns("x.mn-cse.in-cse.sp.example.org")], &[], &name, Some(Permitted)),
        row(
            "a dot in front of the name",
            &[dns(".mn-cse.in-cse.sp.example.org")],
            &[],
            &name,
            Some(Permitted),
        ),
        row("another domain", &[dns("example.net")], &[], &name, Some(Permitted)),
        row("excluded", &[], &[dns("in-cse.sp.example.org")], &name, Some(Excluded)),
        row(
            "permitted but for a part",
            &[dns("example.org")],
            &[dns("sp.example.org")],
            &name,
            Some(Excluded),
        ),
        row("excluded elsewhere", &[], &[dns("example.net")], &name, None),
        row("a wildcard excluded", &[], &[dns("*.example.org")], &name, Some(UnclearConstraint)),
        row("a dot at the end", &[], &[dns("sp.example.org.")], &name, Some(UnclearConstraint)),
        Row {
            what: "an issuer does not widen what is above it",
            issuers: vec![
                (vec![dns("example.net")], vec![]),
                (vec![dns("example.org"), dns("example.net")], vec![]),
            ],
            names: name.to_vec(),
            broken: Some(Permitted),
        },
        Row {
            what: "an issuer narrows what is above it",
            issuers: vec![(vec![dns("org")], vec![]), (vec![dns("sp.example.org")], vec![])],
            names: name.to_vec(),
            broken: None,
        },
    ]);
}

/// The URI of an AE has its provider as host (TS-0003 §10.1.1.5; register A-09).
#[test]
fn uris() {
    use Rule::{Excluded, Permitted, UnclearConstraint};
    let name = [uri("m2m://sp.example.org/mn-cse/Clamp")];
    run(&[
        row("the provider", &[uri("sp.example.org")], &[], &name, None),
        row("in other letters", &[uri("SP.example.ORG")], &[], &name, None),
        row("below a domain", &[uri(".example.org")], &[], &name, None),
        row("a host is no domain", &[uri("example.org")], &[], &name, Some(Permitted)),
        row("below the provider", &[uri(".sp.example.org")], &[], &name, Some(Permitted)),
        row("another provider", &[uri("sp.example.net")], &[], &name, Some(Permitted)),
        row("excluded", &[], &[uri("sp.example.org")], &name, Some(Excluded)),
        row("excluded below", &[], &[uri(".example.org")], &name, Some(Excluded)),
        row("nothing permitted", &[uri("")], &[], &name, Some(Permitted)),
        row("nobody knows what is excluded", &[], &[uri("")], &name, Some(UnclearConstraint)),
        row(
            "an AE-ID alone has no host that can be told",
            &[uri("sp.example.org")],
            &[],
            &[uri("//sp.example.org/Slamp")],
            Some(UnclearConstraint),
        ),
        row(
            "an AE-ID alone, no constraint on URIs",
            &[dns("example.org")],
            &[],
            &[uri("//sp.example.org/Slamp")],
            None,
        ),
        row(
            "a URN has no host",
            &[uri(".example.org")],
            &[],
            &[uri("urn:oid:1.2.3")],
            Some(UnclearConstraint),
        ),
        row("a URN, no constraint on URIs", &[dns("example.org")], &[], &[uri("urn:oid:1.2.3")], None),
        row(
            "a second URI with a user in it",
            &[uri("sp.example.org")],
            &[],
            &[name[0].clone(), uri("https://sp.example.org@sp.example.net/")],
            Some(Permitted),
        ),
        row(
            "a second URI with a port",
            &[uri("sp.example.org")],
            &[],
            &[name[0].clone(), uri("https://sp.example.org:443/x")],
            None,
        ),
        row(
            "a second URI with a query",
            &[uri("sp.example.org")],
            &[],
            &[name[0].clone(), uri("https://sp.example.net?.sp.example.org/")],
            Some(Permitted),
        ),
    ]);
}

/// TS-0003 §8.1.2.2 and §10.1.1.5, when they are asked for; otherwise constraints count where there are some
/// (register A-40).
#[test]
fn strictly() {
    /// The constraints of an issuer.
    type Above = Option<Vec<u8>>;
    let ae = uri("m2m://sp.example.org/mn-cse/Clamp");
    let cse = dns("mn-cse.sp.example.org");
    let hosts = || Some(constraints(&[uri("sp.example.org")], &[]));
    let domains = || Some(constraints(&[dns("example.org")], &[]));
    let cases: [(Above, Above, &[u8], Option<&str>); 9] = [
        (None, None, &ae, Some("TS-0003 §10.1.1.5")),
        (None, hosts(), &ae, None),
        // The signer of the certificate itself has to constrain.
        (hosts(), None, &ae, Some("TS-0003 §10.1.1.5")),
        (None, domains(), &ae, Some("TS-0003 §10.1.1.5")),
        (None, None, &cse, Some("TS-0003 §8.1.2.2")),
        (None, domains(), &cse, None),
        (domains(), None, &cse, None),
        (None, None, &uri("urn:oid:1.2.3"), Some("TS-0003 §8.1.2.2")),
        // For devices it is a recommendation (TS-0003 §10.1.1.4.2).
        (None, None, &device(ARC, &[100, 1]), None),
    ];
    for (case, (above, signer, name, missing)) in cases.into_iter().enumerate() {
        let put = |constraints: &Option<Vec<u8>>, draft: &mut Draft| {
            if let Some(constraints) = constraints {
                draft.put(CONSTRAINTS, true, constraints.clone());
            }
        };
        let root = Ca::root(|_| {});
        let issuer =
            root.below("Above", |draft| put(&above, draft)).below("Signer", |draft| put(&signer, draft));
        let chain = Chain::from_der(&issuer.leaf(&[name.to_vec()], |_| {})).unwrap();
        let anchors = Anchors::from_pem(&root.pem(), now()).unwrap();
        assert_eq!(verify(&anchors, &chain, Purpose::Client, now(), false), Ok(()), "case {case}");
        let strict = verify(&anchors, &chain, Purpose::Client, now(), true);
        match (strict, missing) {
            (Ok(()), None) => {}
            (Err(refusal), Some(clause)) => {
                assert_eq!(refusal.alert(), 42);
                assert!(
                    matches!(&refusal.reason, Reason::Profile(broken) if broken.rule == Rule::Constrained && broken.clause == clause),
                    "case {case}: {refusal}"
                );
            }
            (found, _) => panic!("case {case}: {found:?}"),
        }
    }
    // The check of the profile asks for it in any case.
    let chain = Ca::root(|_| {}).below("Issuer", |_| {}).leaf(&[ae], |_| {});
    let found: Vec<_> = check_profile(&Chain::from_der(&chain).unwrap(), Flavour::AeId);
    assert_eq!(
        found.iter().map(ToString::to_string).collect::<Vec<_>>(),
        [
            "certificate 1, nameConstraints: must constrain names of the kind that the first certificate holds (TS-0003 §10.1.1.5)"
        ]
    );
}
