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
//! What this crate does not do: listen for requests from the registrar, enrol, or resume.

mod attachment;
mod error;
mod registration;

pub use attachment::{Attachment, Registrar};
pub use error::DeviceError;
pub use registration::{AeDescription, Registered};
