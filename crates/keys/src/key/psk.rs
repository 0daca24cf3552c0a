use crate::Secret;

use super::{Kc, Km, Kpm, Kpsa, key_access};

/// The `psk` of a handshake: a key of one of the four kinds that may be one (TS-0003 §8.2.2.1, §8.2.2.3,
/// §8.3.2.1, §8.8.2.2). A derivation key such as Ke cannot become one.
pub struct Psk(Secret);

key_access!(Psk);

impl From<Kpsa> for Psk {
    fn from(key: Kpsa) -> Self {
        Self(key.into_secret())
    }
}

impl From<Kc> for Psk {
    fn from(key: Kc) -> Self {
        Self(key.into_secret())
    }
}

impl From<Kpm> for Psk {
    fn from(key: Kpm) -> Self {
        Self(key.into_secret())
    }
}

impl From<Km> for Psk {
    fn from(key: Km) -> Self {
        Self(key.into_secret())
    }
}
