//! Secret columns are sealed before they reach the database and opened after they leave it.
//!
//! ```text
//!   key-encryption key (file or environment)      store id (16 random octets, in the database)
//!            |                                          |
//!            +--------------- HKDF-SHA-256 -------------+
//!                 |                            |
//!        data-encryption key              digest key
//!        AES-256-GCM per cell             HMAC-SHA-256 of key values, to find duplicates
//! ```
//!
//! A sealed cell is `nonce (12) | ciphertext | tag (16)`. Its associated data are table, primary key and
//! column, so that a cell copied to another place does not open there.

use aes_gcm::{
    AeadInOut, Aes256Gcm, KeyInit as _, Nonce, Tag,
    aead::consts::{U12, U16},
};
use hmac::{Hmac, Mac as _};
use keys::{Rng, Secret};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::{Damaged, StoreError};

const NONCE_OCTETS: usize = 12;
const TAG_OCTETS: usize = 16;
/// What the check value says once it is opened.
const CHECK_TEXT: &[u8] = b"attache";
const CHECK_PLACE: Place<'static> = Place { table: "meta", column: "value", key: &["kek_check"] };

/// Octets of a keyed digest of a key value: 128 bits, so that equal digests mean equal keys.
pub(crate) const KEY_DIGEST_OCTETS: usize = 16;

/// Where a sealed cell stands.
#[derive(Clone, Copy)]
pub(crate) struct Place<'a> {
    pub(crate) table: &'static str,
    pub(crate) column: &'static str,
    /// The columns of the primary key, in order.
    pub(crate) key: &'a [&'a str],
}

impl Place<'_> {
    /// Table, column and key parts, each behind its length, so that no two places have the same octets.
    fn associated_data(&self) -> Vec<u8> {
        let mut data = Vec::with_capacity(128);
        for part in [self.table, self.column].into_iter().chain(self.key.iter().copied()) {
            data.extend_from_slice(&(part.len() as u64).to_be_bytes());
            data.extend_from_slice(part.as_bytes());
        }
        data
    }

    fn damaged(&self) -> Damaged {
        Damaged::Seal { table: self.table, column: self.column, row: self.key.join("/") }
    }
}

/// The keys of one store, ready for use.
pub(crate) struct Sealer {
    cipher: Aes256Gcm,
    digest: Hmac<Sha256>,
}

impl Sealer {
    /// Derives the keys of the store `store_id` from the key-encryption key.
    pub(crate) fn new(kek: &Secret, store_id: &[u8]) -> Result<Self, StoreError> {
        let data_key = derive(kek.expose(), store_id, b"attache store: data-encryption key, v1")?;
        let digest_key = derive(kek.expose(), store_id, b"attache store: key digests, v1")?;
        let cipher =
            Aes256Gcm::new_from_slice(&*data_key).map_err(|_| internal("length of the cipher key"))?;
        Ok(Self { cipher, digest: mac(&*digest_key)? })
    }

    /// Seals `plain` for its place under a fresh random nonce. Nonces of 96 random bits stay unique with
    /// overwhelming probability for 2^32 cells of one store (NIST SP 800-38D §8.3).
    pub(crate) fn seal(&self, place: &Place<'_>, plain: &[u8], rng: &dyn Rng) -> Result<Vec<u8>, StoreError> {
        let mut nonce = [0; NONCE_OCTETS];
        rng.fill(&mut nonce)?;
        let mut cell = Vec::with_capacity(NONCE_OCTETS + plain.len() + TAG_OCTETS);
        cell.extend_from_slice(&nonce);
        cell.extend_from_slice(plain);
        let (_, body) = cell.split_at_mut(NONCE_OCTETS);
        let tag = self
            .cipher
            .encrypt_inout_detached(&Nonce::<U12>::from(nonce), &place.associated_data(), body.into())
            .map_err(|_| internal("sealing"))?;
        cell.extend_from_slice(&tag);
        Ok(cell)
    }

    /// Opens a cell that was sealed for `place`.
    pub(crate) fn open(&self, place: &Place<'_>, cell: &[u8]) -> Result<Secret, Damaged> {
        let (nonce, rest) = cell.split_first_chunk::<NONCE_OCTETS>().ok_or_else(|| place.damaged())?;
        let (body, tag) = rest.split_last_chunk::<TAG_OCTETS>().ok_or_else(|| place.damaged())?;
        let mut plain = body.to_vec();
        self.cipher
            .decrypt_inout_detached(
                &Nonce::<U12>::from(*nonce),
                &place.associated_data(),
                plain.as_mut_slice().into(),
                &Tag::<U16>::from(*tag),
            )
            .map_err(|_| place.damaged())?;
        Ok(Secret::new(plain))
    }

    /// Takes as long as [`Self::open`] takes for a key of 16 octets, and opens nothing.
    pub(crate) fn open_nothing(&self, place: &Place<'_>) {
        // No cell was sealed with this nonce and this tag but by a chance of 2^-128; were there one, it is dropped.
        drop(std::hint::black_box(self.open(place, &[0; NONCE_OCTETS + 16 + TAG_OCTETS])));
    }

    /// By what equal key values are found without opening every cell.
    pub(crate) fn key_digest(&self, key: &[u8]) -> [u8; KEY_DIGEST_OCTETS] {
        let full = self.digest.clone().chain_update(key).finalize().into_bytes();
        let mut digest = [0; KEY_DIGEST_OCTETS];
        digest.iter_mut().zip(full).for_each(|(to, from)| *to = from);
        digest
    }

    /// The value by which a later start recognises the right key.
    pub(crate) fn seal_check(&self, rng: &dyn Rng) -> Result<Vec<u8>, StoreError> {
        self.seal(&CHECK_PLACE, CHECK_TEXT, rng)
    }

    /// True if `cell` was made by [`Self::seal_check`] under the same key and store id.
    pub(crate) fn accepts_check(&self, cell: &[u8]) -> bool {
        self.open(&CHECK_PLACE, cell).is_ok_and(|text| text.ct_eq(CHECK_TEXT))
    }
}

/// HKDF (RFC 5869) with SHA-256 for exactly one block of output.
fn derive(key: &[u8], salt: &[u8], purpose: &[u8]) -> Result<Zeroizing<[u8; 32]>, StoreError> {
    let pseudo_random =
        Zeroizing::new(<[u8; 32]>::from(mac(salt)?.chain_update(key).finalize().into_bytes()));
    let block = mac(&*pseudo_random)?.chain_update(purpose).chain_update([1]).finalize().into_bytes();
    Ok(Zeroizing::new(block.into()))
}

fn mac(key: &[u8]) -> Result<Hmac<Sha256>, StoreError> {
    Hmac::new_from_slice(key).map_err(|_| internal("length of the digest key"))
}

fn internal(what: &str) -> StoreError {
    StoreError::Fault(crate::Fault::other(format!("cipher: {what}")))
}

#[cfg(test)]
mod tests {
    use keys::SeededRng;

    use super::*;

    fn sealer(kek: u8, id: u8) -> Sealer {
        Sealer::new(&Secret::new(vec![kek; 32]), &[id; 16]).unwrap()
    }

    /// RFC 5869 appendix A.1, of which 32 octets are the first block.
    #[test]
    fn derivation_is_hkdf() {
        let salt: Vec<u8> = (0..=0x0c).collect();
        let info: Vec<u8> = (0xf0..=0xf9).collect();
        let out = derive(&[0x0b; 22], &salt, &info).unwrap();
        assert_eq!(hex::encode(*out), "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf");
    }

    #[test]
    fn a_cell_opens_in_its_place_only() {
        let rng = SeededRng::new(1);
        let sealer = sealer(1, 1);
        let place = Place { table: "t", column: "c", key: &["a", "b"] };
        let cell = sealer.seal(&place, b"sixteen octets!!", &rng).unwrap();
        assert!(sealer.open(&place, &cell).unwrap().ct_eq(b"sixteen octets!!"));
        for elsewhere in [
            Place { table: "u", ..place },
            Place { column: "d", ..place },
            Place { key: &["a", "c"], ..place },
            Place { key: &["ab"], ..place },
            Place { key: &["a", "b", ""], ..place },
        ] {
            assert!(sealer.open(&elsewhere, &cell).is_err());
        }
    }

    #[test]
    fn no_two_cells_are_alike() {
        let rng = SeededRng::new(1);
        let sealer = sealer(1, 1);
        let place = Place { table: "t", column: "c", key: &["k"] };
        let (one, two) =
            (sealer.seal(&place, b"key", &rng).unwrap(), sealer.seal(&place, b"key", &rng).unwrap());
        assert_ne!(one[..NONCE_OCTETS], two[..NONCE_OCTETS]);
        assert_ne!(one[NONCE_OCTETS..], two[NONCE_OCTETS..]);
    }

    #[test]
    fn every_altered_octet_and_every_cut_is_noticed() {
        let rng = SeededRng::new(1);
        let sealer = sealer(1, 1);
        let place = Place { table: "t", column: "c", key: &["k"] };
        let cell = sealer.seal(&place, b"key", &rng).unwrap();
        for at in 0..cell.len() {
            let mut altered = cell.clone();
            altered[at] ^= 1;
            assert_eq!(
                sealer.open(&place, &altered).unwrap_err().to_string(),
                "table t, column c, row k: the sealed value was altered or moved"
            );
            assert!(sealer.open(&place, &cell[..at]).is_err());
        }
    }

    #[test]
    fn the_check_value_tells_keys_and_stores_apart() {
        let rng = SeededRng::new(1);
        let check = sealer(1, 1).seal_check(&rng).unwrap();
        assert!(sealer(1, 1).accepts_check(&check));
        assert!(!sealer(2, 1).accepts_check(&check));
        assert!(!sealer(1, 2).accepts_check(&check));
        assert!(!sealer(1, 1).accepts_check(b""));
    }

    #[test]
    fn digests_depend_on_key_value_and_store() {
        assert_eq!(sealer(1, 1).key_digest(b"a"), sealer(1, 1).key_digest(b"a"));
        assert_ne!(sealer(1, 1).key_digest(b"a"), sealer(1, 1).key_digest(b"b"));
        assert_ne!(sealer(1, 1).key_digest(b"a"), sealer(1, 2).key_digest(b"a"));
    }
}
