use keys::{Kpsa, PskIdentity};
use net::{ClientPsk, DialLimits, HttpConnection};
use onem2m::{
    id::{AeIdStem, CseId},
    primitive::{Operation, Request, Response},
    resource::attr,
};
use serde_json::json;
use zeroize::Zeroizing;

use crate::{DeviceError, RememberedSession};

/// Release version that the device writes into its requests.
const RELEASE: &str = "3";

/// Whom to attach to.
#[derive(Debug, Clone)]
pub struct Registrar {
    /// Where it listens: `host:port`, with `[…]` around an IPv6 address.
    pub address: String,
    /// Its absolute CSE-ID. The association is bound to it: whoever holds the key of this registrar is it.
    pub cse: CseId,
    /// resourceName of its `<CSEBase>`, or `-`.
    pub base_name: String,
    /// The name to send as SNI, if the registrar serves several.
    pub server_name: Option<String>,
}

impl Registrar {
    /// SP-relative address of its `<CSEBase>`, e.g. `/mn-cse-123456/home_gateway`.
    #[must_use]
    pub fn base(&self) -> String {
        format!("{}/{}", self.cse.sp_relative(), self.base_name)
    }
}

/// A live security association with a registrar (TS-0003 §8.2.2.1, Entity A's side).
pub struct Attachment {
    connection: HttpConnection,
    registrar: Registrar,
    originator: Option<AeIdStem>,
    requests: u64,
    /// Still to be shown.
    token: Option<Zeroizing<String>>,
    session: Option<RememberedSession>,
}

impl Attachment {
    /// Connects and makes the association, proving possession of `key`.
    ///
    /// # Errors
    /// [`DeviceError::Transport`] if the registrar is not reached in time or refuses the handshake. A refusal
    /// does not say whether the identity is unknown, the key wrong, or the credential revoked or expired.
    pub async fn open(registrar: &Registrar, identity: &PskIdentity, key: Kpsa) -> Result<Self, DeviceError> {
        let psk = ClientPsk { identity: identity.clone(), key };
        let name = registrar.server_name.as_deref();
        let connection =
            HttpConnection::connect(&registrar.address, psk, name, DialLimits::default()).await?;
        Ok(Self::over(connection, registrar.clone(), None, None))
    }

    pub(crate) const fn over(
        connection: HttpConnection,
        registrar: Registrar,
        token: Option<Zeroizing<String>>,
        session: Option<RememberedSession>,
    ) -> Self {
        Self { connection, registrar, originator: None, requests: 0, token, session }
    }

    /// Whether this association resumes an earlier one.
    #[must_use]
    pub fn is_resumed(&self) -> bool {
        self.connection.handshake().resumed.is_some()
    }

    /// What is to be kept to resume this association later; once. Of no use before the device is registered.
    pub const fn take_session(&mut self) -> Option<RememberedSession> {
        self.session.take()
    }

    /// The identity token, if it is still to be shown.
    pub(crate) const fn take_token(&mut self) -> Option<Zeroizing<String>> {
        self.token.take()
    }

    /// Shows the identity token to a registrar at which the device is registered already, if it has one and has not
    /// shown it: an UPDATE of its own `<AE>` with nothing else (register A-31). Requests other than a registration
    /// are answered after that only.
    ///
    /// # Errors
    /// [`DeviceError::Refused`] if the answer is no success; [`DeviceError::Transport`] if none came.
    pub async fn identify(&mut self) -> Result<(), DeviceError> {
        let (Some(token), Some(stem)) = (self.take_token(), self.originator.clone()) else { return Ok(()) };
        let mut request = self.new_request(Operation::Update, stem.as_str());
        request.pc = Some(json!({ "m2m:ae": { attr::IDTK: token.as_str() } }));
        success(self.request(&request).await?).map(drop)
    }

    /// Name of the cipher suite that was agreed, e.g. `TLS_PSK_WITH_AES_128_CBC_SHA256`.
    #[must_use]
    pub fn suite(&self) -> &'static str {
        self.connection.handshake().suite.name()
    }

    /// Whom it is with.
    #[must_use]
    pub const fn registrar(&self) -> &Registrar {
        &self.registrar
    }

    /// Writes `stem` into From of all requests to come.
    pub fn speak_as(&mut self, stem: AeIdStem) {
        self.originator = Some(stem);
    }

    /// A request with a fresh identifier and the device's own originator.
    pub fn new_request(&mut self, operation: Operation, to: impl Into<String>) -> Request {
        self.requests += 1;
        let mut request = Request::new(operation, to, format!("r{:06}", self.requests));
        request.fr = self.originator.as_ref().map(|stem| stem.as_str().to_owned());
        request.rvi = Some(RELEASE.to_owned());
        request
    }

    /// Sends `request` as it stands and waits for the answer, whatever its status.
    ///
    /// # Errors
    /// [`DeviceError::Transport`] if no answer came.
    pub async fn request(&mut self, request: &Request) -> Result<Response, DeviceError> {
        Ok(self.connection.request(request).await?)
    }

    /// Like [`request`](Self::request), and tells the registrar that nothing follows; the association ends.
    ///
    /// # Errors
    /// [`DeviceError::Transport`] if no answer came.
    pub async fn last_request(self, request: &Request) -> Result<Response, DeviceError> {
        Ok(self.connection.last_request(request).await?)
    }

    /// Whether the association is still there, as far as is known.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.connection.is_open()
    }

    /// RETRIEVEs the resource at `to`.
    ///
    /// # Errors
    /// [`DeviceError::Refused`] if the answer is no success; [`DeviceError::Transport`] if none came.
    pub async fn retrieve(&mut self, to: impl Into<String>) -> Result<Response, DeviceError> {
        let request = self.new_request(Operation::Retrieve, to);
        success(self.request(&request).await?)
    }

    /// Ends the association with a `close_notify`.
    pub async fn close(self) {
        self.connection.close().await;
    }
}

pub(crate) fn success(response: Response) -> Result<Response, DeviceError> {
    if response.rsc.is_success() { Ok(response) } else { Err(DeviceError::Refused(Box::new(response))) }
}
