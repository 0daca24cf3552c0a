//! Associations by certificate (TS-0003 §8.2.2.2): what this CSE shows, and whom it believes to be what it expects.

use std::sync::{Arc, Mutex, PoisonError};

use certificate::{Chain, ExpectedServer, Purpose, matches_server, verify};
use net::{
    Alert, ClientContext, ClientIdentity, DialLimits, Dialer, NetError, Presented, ServerCheck, SuitePolicy,
};
use onem2m::time::Clock;

use crate::admit::OwnCertificate;

/// What a check found wrong with the other end.
pub(super) type Complaint = Arc<Mutex<Option<String>>>;

/// What dials whoever `expected` is, showing `identity`, which is `own` as it is now. The certificate at the other end must lead to the anchors that
/// this CSE's own listener goes by, and name exactly the CSE that is expected.
pub(super) fn dialer(
    own: &OwnCertificate,
    identity: ClientIdentity,
    expected: ExpectedServer,
    clock: &Arc<dyn Clock>,
    limits: DialLimits,
    complaint: &Complaint,
) -> Result<Dialer, NetError> {
    let suites = SuitePolicy::default().with_certificates().certificates_only();
    let check = check(own.clone(), expected, Arc::clone(clock), Arc::clone(complaint));
    let context = ClientContext::builder(&suites).identity(identity).server(check).build();
    Ok(Dialer::of(context.map_err(NetError::Tls)?, limits))
}

fn check(
    own: OwnCertificate,
    expected: ExpectedServer,
    clock: Arc<dyn Clock>,
    complaint: Complaint,
) -> ServerCheck {
    Arc::new(move |presented| {
        judge(&own, &expected, presented, &*clock).map_err(|(alert, detail)| {
            *complaint.lock().unwrap_or_else(PoisonError::into_inner) = Some(detail);
            alert
        })
    })
}

fn judge(
    own: &OwnCertificate,
    expected: &ExpectedServer,
    presented: &Presented,
    clock: &dyn Clock,
) -> Result<(), (Alert, String)> {
    let Presented::Chain(ders) = presented else {
        let what = "it presents a raw public key where a certificate is expected".to_owned();
        return Err((Alert::UNSUPPORTED_CERTIFICATE, what));
    };
    let chain = Chain::from_der(ders).map_err(|error| (Alert::BAD_CERTIFICATE, error.to_string()))?;
    let refused = |refusal: certificate::Refusal| (Alert(refusal.alert()), refusal.to_string());
    // Of a key that is enrolled by itself nothing else in the certificate counts.
    if !matches!(expected, ExpectedServer::Key(_)) {
        verify(&own.anchors(), &chain, Purpose::Server, clock.now(), own.strict()).map_err(refused)?;
    }
    matches_server(&chain, expected).map_err(refused)
}
