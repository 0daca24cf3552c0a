//! `attache pki ocsp --listen`: an OCSP responder over HTTP (RFC 6960 appendix A), for development.

use std::{
    convert::Infallible,
    fs,
    net::SocketAddr,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::{
    Method, Request, Response, StatusCode,
    body::{Bytes, Incoming},
    header::{CONTENT_TYPE, HeaderValue},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use pki::{
    PkiError,
    directory::{self, Desk, Office, Records},
    ocsp::{MAX_REQUEST_OCTETS, Question, Refusal},
};
use serde_json::json;
use tokio::{
    net::{TcpListener, TcpStream},
    signal::unix::{SignalKind, signal},
    sync::Semaphore,
    time::{sleep, timeout},
};

use super::{arguments::PkiOcsp, span};
use crate::outcome::{Done, Failure, say};

/// Questions at a time; more wait in the system's queue.
const AT_ONCE: usize = 64;
/// How long one question may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long accepting rests after it failed.
const REST: Duration = Duration::from_millis(100);

pub(super) async fn run(address: SocketAddr, arguments: &PkiOcsp, json: bool) -> Done {
    let mut terminate = signal(SignalKind::terminate()).map_err(Failure::internal)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(Failure::internal)?;
    let office = Arc::new(Responder::open(&arguments.directory.path, arguments.hours)?);
    let cannot = |error| Failure::usage(format_args!("--listen: cannot listen at {address}: {error}"));
    let listener = TcpListener::bind(address).await.map_err(cannot)?;
    let address = listener.local_addr().map_err(Failure::internal)?;
    say(json, &json!({ "listening": address.to_string() }), format_args!("OCSP at http://{address}/"));
    tokio::select! {
        () = serve(listener, office) => {}
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(ExitCode::SUCCESS)
}

async fn serve(listener: TcpListener, responder: Arc<Responder>) {
    let places = Arc::new(Semaphore::new(AT_ONCE));
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        match listener.accept().await {
            Ok((tcp, _)) => {
                let responder = Arc::clone(&responder);
                tokio::spawn(async move {
                    // Somebody who went away, or was too slow, asks again.
                    let _ = timeout(PATIENCE, attend(tcp, responder)).await;
                    drop(place);
                });
            }
            Err(error) => {
                eprintln!("attache: cannot accept questions: {error}");
                sleep(REST).await;
            }
        }
    }
}

async fn attend(tcp: TcpStream, responder: Arc<Responder>) -> Result<(), hyper::Error> {
    let service = service_fn(move |request| {
        let responder = Arc::clone(&responder);
        async move { Ok::<_, Infallible>(reply(request, &responder).await) }
    });
    http1::Builder::new()
        .keep_alive(false)
        .max_buf_size(16 * 1024)
        .timer(TokioTimer::new())
        .header_read_timeout(PATIENCE)
        .serve_connection(TokioIo::new(tcp), service)
        .await
}

async fn reply(request: Request<Incoming>, responder: &Responder) -> Response<Full<Bytes>> {
    let question = match *request.method() {
        Method::POST => match Limited::new(request.into_body(), MAX_REQUEST_OCTETS).collect().await {
            Ok(body) => body.to_bytes().to_vec(),
            Err(_) => return status(StatusCode::PAYLOAD_TOO_LARGE),
        },
        Method::GET => match in_path(request.uri().path()) {
            Some(question) => question,
            None => return status(StatusCode::BAD_REQUEST),
        },
        _ => return status(StatusCode::METHOD_NOT_ALLOWED),
    };
    let mut response = Response::new(Full::from(responder.answer(&question)));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/ocsp-response"));
    response
}

fn status(status: StatusCode) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    *response.status_mut() = status;
    response
}

/// The question in the path of a GET: base64, percent-encoded.
fn in_path(path: &str) -> Option<Vec<u8>> {
    let mut text = Vec::with_capacity(path.len());
    let mut octets = path.strip_prefix('/')?.bytes();
    while let Some(octet) = octets.next() {
        text.push(match octet {
            b'%' => {
                let digits = [octets.next()?, octets.next()?];
                u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?
            }
            other => other,
        });
    }
    STANDARD.decode(text).ok().filter(|question| question.len() <= MAX_REQUEST_OCTETS)
}

/// Who answers from a directory that others write.
struct Responder {
    path: PathBuf,
    desks: Vec<(Office, Desk)>,
    hours: u32,
    known: Mutex<(Stamp, Arc<Records>)>,
}

/// By what a new index is told from the old one: it is always another file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    inode: u64,
    seconds: i64,
    nanoseconds: i64,
}

impl Stamp {
    fn of(directory: &Path) -> Option<Self> {
        let index = fs::metadata(directory.join("index.json")).ok()?;
        Some(Self { inode: index.ino(), seconds: index.mtime(), nanoseconds: index.mtime_nsec() })
    }
}

impl Responder {
    fn open(path: &Path, hours: u32) -> Result<Self, Failure> {
        let records = Records::read(path)?;
        let desks = Office::ALL
            .into_iter()
            .map(|office| Ok((office, records.responder(office)?)))
            .collect::<Result<Vec<_>, PkiError>>()?;
        // Never that of an index: the first question reads it again, which costs nothing and misses nothing.
        let never = Stamp { inode: 0, seconds: 0, nanoseconds: 0 };
        let known = Mutex::new((never, Arc::new(records)));
        Ok(Self { path: path.to_owned(), desks, hours, known })
    }

    fn answer(&self, question: &[u8]) -> Vec<u8> {
        let Ok(question) = Question::from_der(question) else { return Refusal::Malformed.to_der() };
        let answer = self
            .records()
            .and_then(|records| directory::answer(&records, &self.desks, &question, span(self.hours)));
        match answer {
            Ok(answer) => answer,
            Err(PkiError::Question(_)) => Refusal::Unauthorized.to_der(),
            Err(error) => {
                eprintln!("attache: {error}");
                Refusal::Internal.to_der()
            }
        }
    }

    /// The index as it is now, read only if it was replaced.
    fn records(&self) -> Result<Arc<Records>, PkiError> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let stamp = Stamp::of(&self.path);
        if stamp != Some(known.0) {
            let records = Arc::new(Records::read(&self.path)?);
            if let Some(stamp) = stamp {
                *known = (stamp, records);
            }
        }
        Ok(Arc::clone(&known.1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions_in_paths() {
        assert_eq!(in_path("/MAMC%2BQ%3D%3D"), STANDARD.decode("MAMC+Q==").ok());
        for bad in ["", "MAA=", "/%", "/%4", "/%zz", "/MA", "/!!!!"] {
            assert_eq!(in_path(bad), None, "{bad}");
        }
        assert_eq!(in_path(&format!("/{}", STANDARD.encode([0; MAX_REQUEST_OCTETS + 1]))), None);
    }
}
