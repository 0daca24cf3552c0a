//! The OCSP response that a listener staples: from a file, or fetched from the responder, and looked at before it is
//! used.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use certificate::{
    Anchors, Chain, MAX_STAPLE, OcspPolicy, ResponderKey, check_staple, ocsp_request, ocsp_url,
};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::{Method, Request, StatusCode, Uri, client::conn::http1, header};
use hyper_util::rt::TokioIo;
use net::Staple;
use onem2m::time::{Clock, Timestamp};
use tokio::{
    net::TcpStream,
    sync::Notify,
    time::{sleep, timeout},
};

use super::trust::read;
use crate::{
    config::{HostPort, OcspSection},
    outcome::Failure,
};

/// From connecting to the end of an answer.
const PATIENCE: Duration = Duration::from_secs(20);
/// After a failure.
const AGAIN: Duration = Duration::from_secs(60);
/// How often a file is looked at, and the least time between two fetches.
const OFTEN: Duration = Duration::from_secs(10);
/// The longest time between two fetches.
const SELDOM: Duration = Duration::from_secs(6 * 3600);

/// Keeps the response of one listener fresh.
pub(crate) struct StapleKeeper {
    staple: Staple,
    source: Source,
    subject: Arc<Subject>,
    anchors: Anchors,
    policy: OcspPolicy,
    clock: Arc<dyn Clock>,
}

/// The certificate that responses are about; renewed while the server runs.
pub(crate) struct Subject {
    chain: Mutex<Chain>,
    renewed: Notify,
}

impl Subject {
    /// From now on responses are about this one.
    pub(crate) fn renew(&self, chain: Chain) {
        *self.chain.lock().unwrap_or_else(PoisonError::into_inner) = chain;
        self.renewed.notify_one();
    }

    fn chain(&self) -> Chain {
        self.chain.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

enum Source {
    File(PathBuf),
    Responder { uri: Uri, authority: String, proxy: Option<HostPort> },
}

impl StapleKeeper {
    /// For the certificate `chain`, whose root is among `anchors` unless the section names another file.
    pub(crate) fn new(
        section: &OcspSection,
        folder: &Path,
        chain: &Chain,
        anchors: &Anchors,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, Failure> {
        let anchors = match &section.root_file {
            Some(file) => {
                let file = folder.join(file);
                Anchors::from_pem(&read(&file)?, clock.now())
                    .map_err(|error| Failure::usage(format_args!("{}: {error}", file.display())))?
            }
            None => anchors.clone(),
        };
        let responder = match &section.responder_file {
            Some(file) => {
                let file = folder.join(file);
                ResponderKey::read(&read(&file)?)
                    .map_err(|error| Failure::usage(format_args!("{}: {error}", file.display())))?
            }
            None => ResponderKey::of_issuer(chain, &anchors).ok_or_else(|| {
                Failure::usage(
                    "listener.certificate.ocsp: the issuer of the certificate is neither in its chain nor in \
                     root_file, so that nothing can be told of a response",
                )
            })?,
        };
        let source = match &section.response_file {
            Some(file) => Source::File(folder.join(file)),
            None => responder_of(section, chain)?,
        };
        let policy = OcspPolicy::new(responder);
        let subject = Arc::new(Subject { chain: Mutex::new(chain.clone()), renewed: Notify::new() });
        Ok(Self { staple: Staple::new(), source, subject, anchors, policy, clock })
    }

    /// What the listener staples.
    pub(crate) fn staple(&self) -> Staple {
        self.staple.clone()
    }

    /// The certificate that it is about.
    pub(crate) fn subject(&self) -> Arc<Subject> {
        Arc::clone(&self.subject)
    }

    /// Gets the response now and again and again, for ever. One that is wrong is not used; the one before it is
    /// stapled for as long as it is good.
    pub(crate) async fn keep(self) {
        let mut good_until: Option<Timestamp> = None;
        let mut complained = None;
        loop {
            let rest = match self.renewed().await {
                Ok(until) => {
                    (good_until, complained) = (Some(until), None);
                    self.rest_until(until)
                }
                Err(error) => {
                    if complained.as_ref() != Some(&error) {
                        tracing::error!(error, "no OCSP response to staple was got");
                        complained = Some(error);
                    }
                    AGAIN
                }
            };
            if good_until.is_some_and(|until| until <= self.clock.now()) {
                self.staple.set(None);
                good_until = None;
            }
            tokio::select! {
                () = sleep(rest.min(self.longest())) => {}
                // What was said of the certificate before is nothing to staple any more.
                () = self.subject.renewed.notified() => {
                    self.staple.set(None);
                    (good_until, complained) = (None, None);
                }
            }
        }
    }

    /// A file may be replaced at any time.
    const fn longest(&self) -> Duration {
        match self.source {
            Source::File(_) => OFTEN,
            Source::Responder { .. } => SELDOM,
        }
    }

    fn rest_until(&self, end: Timestamp) -> Duration {
        // Early enough for several tries before it ends.
        (end.since(self.clock.now()).unwrap_or_default() / 2).max(OFTEN)
    }

    /// Gets the response once, and says until when it is good.
    pub(crate) async fn renewed(&self) -> Result<Timestamp, String> {
        let chain = self.subject.chain();
        let response = match &self.source {
            Source::File(file) => {
                std::fs::read(file).map_err(|error| format!("cannot read {}: {error}", file.display()))?
            }
            Source::Responder { uri, authority, proxy } => {
                let fetched = timeout(PATIENCE, self.fetch(&chain, uri, authority, proxy.as_ref())).await;
                fetched.map_err(|_| format!("{uri}: no answer within {PATIENCE:?}"))??
            }
        };
        let wrong = |what: &dyn std::fmt::Display| match &self.source {
            Source::File(file) => format!("{}: {what}", file.display()),
            Source::Responder { uri, .. } => format!("{uri}: {what}"),
        };
        if response.is_empty() {
            // To the check that would be no staple at all.
            return Err(wrong(&"OCSP staple, OCSPResponse: is empty (RFC 6960 §4.2.1)"));
        }
        let good = check_staple(&self.policy, Some(&response), &chain, &self.anchors, self.clock.now());
        let good = good.map_err(|error| wrong(&error))?;
        self.staple.set(Some(response));
        Ok(good.until)
    }

    async fn fetch(
        &self,
        chain: &Chain,
        uri: &Uri,
        authority: &str,
        proxy: Option<&HostPort>,
    ) -> Result<Vec<u8>, String> {
        let request =
            ocsp_request(chain, &self.anchors).ok_or("the issuer of the certificate is not known")?;
        let at = proxy.map_or_else(|| authority.to_owned(), ToString::to_string);
        let tcp = TcpStream::connect(&at).await.map_err(|error| format!("could not reach {at}: {error}"))?;
        let failed = |error: &dyn std::fmt::Display| format!("{at}: {error}");
        let (mut sender, connection) =
            http1::handshake(TokioIo::new(tcp)).await.map_err(|error| failed(&error))?;
        let driver = tokio_util::task::AbortOnDropHandle::new(tokio::spawn(connection));
        // A proxy wants the whole address, a responder its path.
        let target = match proxy {
            Some(_) => uri.to_string(),
            None => uri.path_and_query().map_or("/", |path| path.as_str()).to_owned(),
        };
        let message = Request::builder()
            .method(Method::POST)
            .uri(target)
            .header(header::HOST, authority)
            .header(header::CONTENT_TYPE, "application/ocsp-request")
            .header(header::CONNECTION, "close")
            .body(Full::new(Bytes::from(request)))
            .map_err(|error| failed(&error))?;
        let answer = sender.send_request(message).await.map_err(|error| failed(&error))?;
        if answer.status() != StatusCode::OK {
            return Err(format!("{at} answered with status {}", answer.status()));
        }
        let body =
            Limited::new(answer.into_body(), MAX_STAPLE).collect().await.map_err(|error| failed(&error))?;
        drop(driver);
        Ok(body.to_bytes().to_vec())
    }
}

fn responder_of(section: &OcspSection, chain: &Chain) -> Result<Source, Failure> {
    let wrong =
        |what: &dyn std::fmt::Display| Failure::usage(format_args!("listener.certificate.ocsp: {what}"));
    let text = match &section.responder {
        Some(responder) => responder.clone(),
        None => ocsp_url(chain).map_err(|violation| wrong(&violation))?.ok_or_else(|| {
            wrong(&"the certificate names no responder at http://: expected responder or response_file")
        })?,
    };
    let uri: Uri = text.parse().map_err(|error| wrong(&format_args!("responder: {error}")))?;
    let authority = match (uri.scheme_str(), uri.authority()) {
        (Some("http"), Some(authority)) if authority.port().is_some() => authority.to_string(),
        (Some("http"), Some(authority)) => format!("{authority}:80"),
        _ => return Err(wrong(&"responder: expected an address that begins with http://")),
    };
    Ok(Source::Responder { uri, authority, proxy: section.proxy.clone() })
}
