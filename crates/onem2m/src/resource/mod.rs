//! Resources: types, names of attributes, and the forms of attributes that many types share.

pub mod attr;
mod form;
mod kind;
mod poa;

pub use form::{
    FormError, check_labels, check_points_of_access, check_release_versions, check_serializations,
};
pub use kind::ResourceType;
pub use poa::{PointOfAccess, PointOfAccessError, check_poa};
