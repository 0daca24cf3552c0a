//! Who says whether a certificate is still good.

use super::{Office, Records, responder_file, responder_key};
use crate::{
    Authority, PkiError, PrivateKey, Serial,
    authority::Public,
    ocsp::{CertId, IssuerHash, Question, Responder, Span, Status},
};

impl Records {
    /// The certificate and key with which status is signed for an authority.
    ///
    /// # Errors
    /// [`PkiError::In`], which names the file.
    pub fn responder(&self, office: Office) -> Result<Desk, PkiError> {
        let path = self.path.join(responder_file(office));
        let certificate = self.certificates_in(&path)?.into_iter().next().unwrap_or_default();
        let key = self.key(&responder_key(office))?;
        Responder::delegate(&certificate, &key).map_err(PkiError::inside(&path))?;
        let authority = Authority::public(&self.authority_path(office)?)?;
        Ok(Desk { authority, certificate, key })
    }
}

/// Who answers for one authority.
#[derive(Debug)]
pub struct Desk {
    authority: Public,
    certificate: Vec<u8>,
    key: PrivateKey,
}

/// Answers a question about certificates of one authority, whichever it is.
///
/// # Errors
/// [`PkiError::Question`] if they are not all of one authority of the directory.
pub fn answer(
    records: &Records,
    desks: &[(Office, Desk)],
    question: &Question,
    span: Span,
) -> Result<Vec<u8>, PkiError> {
    let stranger =
        PkiError::Question("asks for certificates that are not of one authority of this directory");
    for (office, desk) in desks {
        let serials: Vec<_> = question.asked.iter().map_while(|id| id.serial_of(&desk.authority)).collect();
        if serials.len() != question.asked.len() {
            continue;
        }
        let mut answers: Vec<(CertId, Status)> = Vec::new();
        for (id, serial) in question.asked.iter().zip(&serials) {
            answers.push((id.clone(), records.status(*office, serial)?));
        }
        let responder = Responder::delegate(&desk.certificate, &desk.key)?;
        return responder.answer(&answers, span, question.nonce.as_deref());
    }
    Err(stranger)
}

/// Answers for one certificate on record, ahead of any question: what a server staples.
///
/// # Errors
/// [`PkiError::NotIssued`] if it is not on record, [`PkiError`] if files are missing or damaged.
pub fn staple(records: &Records, serial: &Serial, span: Span) -> Result<(Vec<u8>, Status), PkiError> {
    let office = records.find(serial).and_then(|entry| Office::named(&entry.authority));
    let office = office.ok_or_else(|| PkiError::NotIssued(serial.clone()))?;
    let desk = records.responder(office)?;
    let id = CertId::of_public(&desk.authority, serial, IssuerHash::Sha1)?;
    let status = records.status(office, serial)?;
    let answer = Responder::delegate(&desk.certificate, &desk.key)?.answer(&[(id, status)], span, None)?;
    Ok((answer, status))
}
