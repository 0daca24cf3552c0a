//! Associations by certificate (TS-0003 §8.2.2.2): what this CSE shows, and whom it believes to be what it expects.

use std::sync::{Arc, Mutex, PoisonError};

use certificate::{Anchors, Chain, ExpectedServer, Purpose, matches_server, verify, verify_path};
use net::{
    Alert, ClientContext, ClientIdentity, DialLimits, Dialer, NetError, Presented, ServerCheck, SuitePolicy,
};
use onem2m::time::Clock;

use crate::admit::OwnCertificate;

/// What a check found wrong with the other end.
pub(super) type Complaint = Arc<Mutex<Option<String>>>;

/// Who has to be at the other end.
pub(super) struct Believed {
    pub(super) server: ExpectedServer,
    /// The roots that the enrolment of its public key demands a chain to, if it does.
    pub(super) demanded: Option<Anchors>,
}

/// What dials whoever `expected` is, showing `identity`, which is `own` as it is now. The certificate at the other end
/// must lead to the anchors that this CSE's own listener goes by, and name exactly the CSE that is expected.
pub(super) fn dialer(
    own: &OwnCertificate,
    identity: ClientIdentity,
    expected: Believed,
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
    expected: Believed,
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
    expected: &Believed,
    presented: &Presented,
    clock: &dyn Clock,
) -> Result<(), (Alert, String)> {
    let Presented::Chain(ders) = presented else {
        let what = "it presents a raw public key where a certificate is expected".to_owned();
        return Err((Alert::UNSUPPORTED_CERTIFICATE, what));
    };
    let chain = Chain::from_der(ders).map_err(|error| (Alert::BAD_CERTIFICATE, error.to_string()))?;
    let refused = |refusal: certificate::Refusal| (Alert(refusal.alert()), refusal.to_string());
    // Of a key that is enrolled by itself nothing else in the certificate counts, unless a chain is demanded.
    match (&expected.server, &expected.demanded) {
        (ExpectedServer::Key(_), None) => {}
        (ExpectedServer::Key(_), Some(roots)) => {
            verify_path(roots, &chain, Purpose::Server, clock.now()).map_err(refused)?;
        }
        _ => verify(&own.anchors(), &chain, Purpose::Server, clock.now(), own.strict()).map_err(refused)?,
    }
    matches_server(&chain, &expected.server).map_err(refused)
}
