use keys::{Kpsa, PskIdentity};
use net::{ClientPsk, DialLimits, HttpConnection};
use onem2m::{
    id::{AeIdStem, CseId},
    primitive::{Operation, Request, Response},
};

use crate::DeviceError;

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
        Ok(Self { connection, registrar: registrar.clone(), originator: None, requests: 0 })
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
