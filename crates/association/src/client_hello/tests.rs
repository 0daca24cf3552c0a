use proptest::prelude::*;

use super::*;
use crate::record::fatal_alert;

/// A ClientHello with these extensions; `None`: without the list.
fn hello(session_id: &[u8], extensions: Option<&[(u16, &[u8])]>) -> Vec<u8> {
    let short = |length: usize| u16::try_from(length).unwrap().to_be_bytes();
    let mut body = vec![3, 3];
    body.extend([7; 32]);
    body.push(u8::try_from(session_id.len()).unwrap());
    body.extend(session_id);
    body.extend([0, 4, 0xC0, 0x23, 0x00, 0xFF, 1, 0]);
    if let Some(extensions) = extensions {
        let mut list = Vec::new();
        for (kind, octets) in extensions {
            list.extend(kind.to_be_bytes());
            list.extend(short(octets.len()));
            list.extend(*octets);
        }
        body.extend(short(list.len()));
        body.extend(list);
    }
    let mut message = vec![CLIENT_HELLO, 0];
    message.extend(short(body.len()));
    message.extend(body);
    message
}

fn named(name: &[u8]) -> Vec<u8> {
    let length = u16::try_from(name.len()).unwrap();
    [&(length + 3).to_be_bytes()[..], &[0], &length.to_be_bytes(), name].concat()
}

/// `message` in records of `piece` octets.
fn in_records(message: &[u8], piece: usize) -> Vec<u8> {
    let header = |part: &[u8]| Header::of_handshake(u16::try_from(part.len()).unwrap());
    message.chunks(piece).flat_map(|part| [&header(part)[..], part].concat()).collect()
}

#[test]
fn everything_is_read() {
    let name = named(b"home.example.org");
    let message = hello(&[1; 32], Some(&[(0, &name), (10, &[0, 2, 0, 23]), (23, b""), (35, b"ticket")]));
    let read = ClientHello::read(&message).unwrap();
    assert_eq!(read.session_id, [1; 32]);
    assert_eq!(read.ticket, Some(&b"ticket"[..]));
    assert_eq!(read.server_name, Some("home.example.org"));
    assert!(read.extended_master_secret);
}

#[test]
fn nothing_has_to_be_there() {
    for message in [hello(b"", None), hello(b"", Some(&[]))] {
        let read = ClientHello::read(&message).unwrap();
        let nothing = ClientHello {
            session_id: b"",
            ticket: None,
            server_name: None,
            extended_master_secret: false,
            server_kinds: None,
        };
        assert_eq!(read, nothing);
        assert!(!read.prefers_raw_key());
    }
}

#[test]
fn the_first_kind_that_is_known_is_preferred() {
    for (kinds, raw_key) in [
        (&b"\x02\x02\x00"[..], true),
        (b"\x01\x02", true),
        (b"\x03\x01\x02\x00", true),
        (b"\x02\x00\x02", false),
        (b"\x02\x01\x00", false),
        (b"\x01\x01", false),
        (b"\x00", false),
    ] {
        let message = hello(b"", Some(&[(20, kinds)]));
        let read = ClientHello::read(&message).unwrap();
        assert_eq!((read.server_kinds, read.prefers_raw_key()), (Some(&kinds[1..]), raw_key));
    }
    for broken in [&b""[..], b"\x01", b"\x01\x02\x00", b"\x03\x02\x00"] {
        assert_eq!(ClientHello::read(&hello(b"", Some(&[(20, broken)]))), None, "{broken:?}");
    }
    assert_eq!(ClientHello::read(&hello(b"", Some(&[(20, b"\x01\x02"), (20, b"\x01\x02")]))), None);
}

#[test]
fn what_breaks_its_lengths_is_not_read() {
    let name = named(b"a");
    let good = hello(&[1; 4], Some(&[(0, &name), (35, b"ticket")]));
    for cut in 0..good.len() {
        assert_eq!(ClientHello::read(&good[..cut]), None, "{cut}");
    }
    let mut longer = good.clone();
    longer.push(0);
    assert_eq!(ClientHello::read(&longer), None);
    let mut other = good;
    other[0] = 2;
    assert_eq!(ClientHello::read(&other), None);
    assert_eq!(ClientHello::read(&hello(&[1; 33], None)), None, "a session ID of 33 octets");
    let twice: [&[(u16, &[u8])]; 3] =
        [&[(35, b"a"), (35, b"b")], &[(0, &name), (0, &name)], &[(23, b""), (23, b"")]];
    for extensions in twice {
        assert_eq!(ClientHello::read(&hello(b"", Some(extensions))), None);
    }
    for name in
        [&b""[..], b"\0", b"\0\x04\0\0\x01", b"\0\x04\x01\0\x01a", b"\0\x04\0\0\x01a\0", &named(b"\xff")]
    {
        assert_eq!(ClientHello::read(&hello(b"", Some(&[(0, name)]))), None, "{name:?}");
    }
}

#[test]
fn a_message_is_found_wherever_records_cut_it() {
    let message = hello(&[1; 32], Some(&[(35, &[9; 300])]));
    for piece in [1, 3, 4, 5, 100, message.len()] {
        let records = in_records(&message, piece);
        assert_eq!(peek(&records), Peek::Message(Cow::Borrowed(&message)), "{piece}");
        let mut needs = 0;
        for have in 0..records.len() {
            let Peek::Needs(octets) = peek(&records[..have]) else { panic!("{have} of {piece}") };
            assert!(octets > have && octets >= needs, "it never waits for what is there");
            needs = octets;
        }
        assert_eq!(needs, records.len());
        // What follows is another record's business.
        let more = [&records[..], b"\x14\x03\x03"].concat();
        assert_eq!(peek(&more), Peek::Message(Cow::Borrowed(&message)));
    }
}

#[test]
fn what_is_no_single_message_is_left_alone() {
    let message = hello(b"", None);
    let glued = in_records(&[&message[..], &[16, 0, 0, 0]].concat(), 1 << 14);
    let interrupted = [&in_records(&message[..10], 10)[..], &fatal_alert(crate::Alert(40))].concat();
    let too_long = in_records(&[1, 0, 0x40, 0], 4);
    let empty = in_records(b"", 1).into_iter().chain([22, 3, 3, 0, 0]).collect();
    let long_record = vec![22, 3, 3, 0x40, 1];
    for records in [glued, interrupted, too_long, empty, long_record, b"GET / HTTP/1.1".to_vec()] {
        assert_eq!(peek(&records), Peek::SomethingElse, "{records:?}");
    }
}

proptest! {
    /// What was written is read, and any change of it is either refused or read as something, without a panic.
    #[test]
    fn what_is_written_is_read(
        session_id in prop::collection::vec(any::<u8>(), 0..=32),
        ticket in prop::option::of(prop::collection::vec(any::<u8>(), 0..400)),
        name in prop::option::of("[a-z.]{1,60}"),
        extended_master_secret in any::<bool>(),
        kinds in prop::option::of(prop::collection::vec(any::<u8>(), 0..4)),
        at in any::<prop::sample::Index>(),
        octet in any::<u8>(),
        piece in 1_usize..700,
    ) {
        let sni = name.as_deref().map(|name| named(name.as_bytes()));
        let mut extensions: Vec<(u16, &[u8])> = vec![(0xff01, &[0])];
        extensions.extend(sni.as_deref().map(|octets| (0, octets)));
        extensions.extend(ticket.as_deref().map(|octets| (35, octets)));
        extensions.extend(extended_master_secret.then_some((23, &b""[..])));
        let list = kinds.as_ref().map(|kinds| [&[u8::try_from(kinds.len()).unwrap()], &kinds[..]].concat());
        extensions.extend(list.as_deref().map(|octets| (20, octets)));
        let mut message = hello(&session_id, Some(&extensions));
        let wanted = ClientHello {
            session_id: &session_id,
            ticket: ticket.as_deref(),
            server_name: name.as_deref(),
            extended_master_secret,
            server_kinds: kinds.as_deref(),
        };
        let records = in_records(&message, piece);
        let Peek::Message(found) = peek(&records) else { panic!("not found") };
        prop_assert_eq!(ClientHello::read(&found), Some(wanted));
        let at = at.index(message.len());
        message[at] = octet;
        if let Some(read) = ClientHello::read(&message) {
            prop_assert!(read.session_id.len() <= 32);
        }
    }

    #[test]
    fn octets_of_any_kind_do_no_harm(octets in prop::collection::vec(any::<u8>(), 0..600)) {
        let _ = ClientHello::read(&octets);
        if let Peek::Message(message) = peek(&octets) {
            let _ = ClientHello::read(&message);
        }
        let mut framed = vec![22, 3, 1];
        framed.extend(u16::try_from(octets.len()).unwrap().to_be_bytes());
        framed.extend(&octets);
        prop_assert!(!matches!(peek(&framed), Peek::Needs(needs) if needs <= framed.len()));
    }
}
