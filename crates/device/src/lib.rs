//! Entity A: attach to a registrar and send requests.
//!
//! ```no_run
//! # async fn example(key: keys::Kpsa) -> Result<(), device::DeviceError> {
//! use device::{AeDescription, Attachment, Registrar};
//!
//! let registrar = Registrar {
//!     address: "gw.example.org:8443".into(),
//!     cse: "//example.org/mn-cse-123456".parse().unwrap(),
//!     base_name: "home_gateway".into(),
//!     server_name: None,
//! };
//! let identity = "light1@home.example.org".parse().unwrap();
//! let mut attachment = Attachment::open(&registrar, &identity, key).await?;
//! let light = AeDescription::new("Clight1".parse().ok(), "light_ae1".parse().unwrap(), "Nlight.example");
//! let registered = attachment.register(&light).await?;
//! println!("{} over {}", registered.ae, attachment.suite());
//! # Ok(()) }
//! ```
//!
//! A [`Device`] does the same with certificates, raw public keys and identity tokens, and resumes.
//!
//! What this crate does not do: listen for requests from the registrar, or enrol.

mod attachment;
mod error;
mod proof;
mod registration;
mod session;

pub use attachment::{Attachment, Registrar};
pub use error::DeviceError;
pub use proof::{Device, Proof, RegistrarTrust};
pub use registration::{AeDescription, Registered};
pub use session::RememberedSession;
