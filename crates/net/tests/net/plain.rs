//! Endpoints outside of any association.

use std::{os::unix::fs::PermissionsExt as _, sync::Arc};

use keys::SeededRng;
use net::{Limits, PlainEndpoint, PlainError, PlainListener};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::{TcpStream, UnixStream},
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;

use crate::stage::Tell;

struct Plain {
    address: Option<std::net::SocketAddr>,
    tell: Arc<Tell>,
    shutdown: CancellationToken,
    serving: JoinHandle<()>,
}

fn bind(endpoint: &PlainEndpoint) -> Result<PlainListener<Tell>, PlainError> {
    PlainListener::bind(endpoint, Limits::default(), Arc::new(Tell::new()), Arc::new(SeededRng::new(1)))
}

fn start(endpoint: &PlainEndpoint) -> Plain {
    let (tell, shutdown) = (Arc::new(Tell::new()), CancellationToken::new());
    let rng = Arc::new(SeededRng::new(1));
    let listener = PlainListener::bind(endpoint, Limits::default(), Arc::clone(&tell), rng).unwrap();
    let address = listener.local_addr();
    let serving = tokio::spawn(listener.serve(shutdown.clone()));
    Plain { address, tell, shutdown, serving }
}

async fn ask(mut stream: impl AsyncRead + AsyncWrite + Unpin, to: &str) -> String {
    let request =
        format!("GET /{to} HTTP/1.1\r\nHost: x\r\nX-M2M-RI: 1\r\nX-M2M-RVI: 3\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn a_socket_knows_the_account_of_its_peer() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("local.sock");
    let endpoint = PlainEndpoint::Socket(path.clone());
    let plain = start(&endpoint);
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o660);
    let own = folder.path().metadata().map(|folder| std::os::unix::fs::MetadataExt::uid(&folder)).unwrap();
    let answer = ask(UnixStream::connect(&path).await.unwrap(), "x").await;
    assert!(answer.contains(&format!("local uid {own}\"")), "{answer}");
    let PlainError::Socket { source, .. } = bind(&endpoint).err().unwrap() else { panic!("another error") };
    assert_eq!(source.kind(), std::io::ErrorKind::AddrInUse, "a socket in use is not taken away");
    plain.shutdown.cancel();
    plain.serving.await.unwrap();
    assert!(!path.exists(), "the socket goes with its server");

    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    let plain = start(&endpoint);
    let answer = ask(UnixStream::connect(&path).await.unwrap(), "x").await;
    assert!(answer.contains("local uid"), "a socket that was left behind is replaced: {answer}");
    plain.shutdown.cancel();
}

#[tokio::test]
async fn a_loopback_peer_is_its_connection() {
    let plain = start(&PlainEndpoint::Loopback("127.0.0.1:0".parse().unwrap()));
    let address = plain.address.unwrap();
    let first = ask(TcpStream::connect(address).await.unwrap(), "x").await;
    let second = ask(TcpStream::connect(address).await.unwrap(), "x").await;
    let number = |answer: &str| answer.rsplit_once("local connection ").unwrap().1.to_owned();
    assert_ne!(number(&first), number(&second), "no two connections are the same peer");
    // The handler is told of both ends.
    plain.tell.left.acquire_many(2).await.unwrap().forget();
    let everywhere = PlainEndpoint::Loopback("0.0.0.0:0".parse().unwrap());
    assert!(matches!(bind(&everywhere), Err(PlainError::NotLoopback { .. })), "nobody else is trusted");
}

#[tokio::test]
async fn a_clear_peer_is_nobody() {
    let plain = start(&PlainEndpoint::Clear("127.0.0.1:0".parse().unwrap()));
    let answer = ask(TcpStream::connect(plain.address.unwrap()).await.unwrap(), "x").await;
    assert!(answer.contains("in the clear"), "{answer}");
}

#[tokio::test]
async fn stopping_answers_what_is_in_progress() {
    let plain = start(&PlainEndpoint::Clear("127.0.0.1:0".parse().unwrap()));
    let address = plain.address.unwrap();
    let asking = tokio::spawn(async move { ask(TcpStream::connect(address).await.unwrap(), "hold").await });
    plain.tell.entered.acquire().await.unwrap().forget();
    plain.shutdown.cancel();
    plain.tell.hold.add_permits(1);
    plain.serving.await.unwrap();
    assert!(asking.await.unwrap().contains("in the clear"));
    assert!(TcpStream::connect(address).await.is_err(), "and nobody is let in any more");
}
