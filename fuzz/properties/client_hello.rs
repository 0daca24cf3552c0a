//! What holds for all octets that are read as the start of a connection. Run by the fuzzer, and on the seeds by
//! the tests of `association`.

use association::client_hello::{ClientHello, Peek, peek};

/// Reads `data` as a ClientHello, and as records with one in them.
pub(crate) fn check(data: &[u8]) {
    read(data);
    match peek(data) {
        Peek::Needs(octets) => assert!(octets > data.len(), "waits for what is there"),
        Peek::Message(message) => {
            assert!(message.len() <= data.len());
            read(&message);
            // More of the same, and other records, change nothing.
            let longer = [data, data].concat();
            assert_eq!(peek(&longer), Peek::Message(message));
        }
        Peek::SomethingElse => assert_eq!(peek(&[data, &[0; 8]].concat()), Peek::SomethingElse),
    }
}

fn read(message: &[u8]) {
    let Some(hello) = ClientHello::read(message) else { return };
    assert!(hello.session_id.len() <= 32);
    let inside = |part: &[u8]| part.is_empty() || message.windows(part.len()).any(|window| window == part);
    assert!(inside(hello.session_id) && inside(hello.ticket.unwrap_or_default()));
    assert!(inside(hello.server_name.unwrap_or_default().as_bytes()));
    assert!(
        inside(hello.server_kinds.unwrap_or_default())
            && hello.server_kinds.is_none_or(|kinds| kinds.len() < 256)
    );
    // It is whole: neither less nor more is one.
    assert_eq!(ClientHello::read(message.get(..message.len() - 1).unwrap_or_default()), None);
    assert_eq!(ClientHello::read(&[message, &[0]].concat()), None);
}
