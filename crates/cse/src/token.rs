//! Identity tokens: the session of a device without key or certificate becomes its own once it shows one in its
//! registration (registers ).
//!
//! The token is taken out of the request before anything else looks at it, so that it cannot be stored, returned,
//! logged or audited.

use std::sync::Arc;

use identity::{
    Channel, Enrolment, Established, Framework, Function, Known, MAX_WRONG_TOKENS, Peer, RefusalReason,
    Speaker, check_originator, usable_enrolment,
};
use keys::IdentityToken;
use onem2m::{
    id::FromParam,
    primitive::{Operation, Request},
    resource::{ResourceType, attr},
    status::ResponseStatusCode,
    time::Timestamp,
};
use serde_json::Value;
use store::{Enrolments as _, Store};
use zeroize::Zeroizing;

use crate::{
    receive,
    refuse::{Decided, Refuse},
    representation::{AE, REMOTE_CSE},
    settings::Settings,
    task::Stop,
};

/// What a request showed.
pub(crate) enum Shown {
    /// No token.
    Nothing,
    /// A text that is to be one.
    Text(Zeroizing<String>),
    /// Something else than a text.
    NotText,
    /// One in the content and another beside it.
    Two,
}

/// Takes the token out of `request`, wherever a registration could carry one: in its content, and beside it where
/// the binding has a place for credentials (TS-0009 §7.1).
pub(crate) fn take(request: &mut Request) -> Shown {
    let beside = request.registrar_credential.take().map(|token| Zeroizing::new(token.into_text()));
    match (take_from_content(request), beside) {
        (shown, None) => shown,
        (Shown::Nothing, Some(beside)) => Shown::Text(beside),
        (Shown::Text(text), Some(beside)) if text != beside => Shown::Two,
        (shown, Some(_)) => shown,
    }
}

fn take_from_content(request: &mut Request) -> Shown {
    let mut shown = Shown::Nothing;
    let Some(wrapper) = request.pc.as_mut().and_then(Value::as_object_mut) else { return shown };
    for element in [AE.element_name(), REMOTE_CSE.element_name()] {
        let given = wrapper.get_mut(element).and_then(Value::as_object_mut);
        match given.and_then(|given| given.remove(attr::IDTK)) {
            None => {}
            Some(Value::String(text)) => shown = Shown::Text(Zeroizing::new(text)),
            Some(_) => shown = Shown::NotText,
        }
    }
    shown
}

/// A token that is looked at: of a session for tokens, in a registration.
struct Case<'a> {
    settings: &'a Settings,
    peer: &'a Peer,
    request: &'a Request,
    now: Timestamp,
}

/// Lets a session show its token, before anything else is done with `request`, which had none left when this began.
/// A token that is accepted binds the session, also if the request is refused for something else afterwards.
/// Whether a token was accepted.
pub(crate) async fn admit(
    settings: &Settings,
    store: &Store,
    channel: &Channel,
    request: &Request,
    shown: Shown,
    now: Timestamp,
) -> Result<bool, Stop> {
    let peer = match channel {
        Channel::Association(peer) if peer.framework() == Framework::Token => peer,
        _ => return elsewhere(channel, &shown).map(|()| false).map_err(Stop::Refuse),
    };
    let case = Case { settings, peer, request, now };
    let Some(text) = case.to_be_checked(shown)? else { return Ok(false) };
    let digest = match text.parse::<IdentityToken>() {
        Ok(token) => token.digest(),
        Err(_) => return Err(case.wrong().into()),
    };
    drop(text);
    let found = store.read_brief(move |records| records.enrolment_of_token(&digest)).await?;
    case.judge(found.as_ref())?;
    Ok(true)
}

/// A token outside of the sessions that are for tokens.
fn elsewhere(channel: &Channel, shown: &Shown) -> Decided<()> {
    match (channel, shown) {
        (_, Shown::Nothing) => Ok(()),
        // Who is authenticated already is one entity, and no token makes it another. It is not looked at.
        (Channel::Association(_), _) => Err(Refuse::new(
            ResponseStatusCode::OriginatorNotAuthenticated,
            "identity token: the association is authenticated in another way",
        )),
        (Channel::Local(_) | Channel::Clear(_), _) => Err(Refuse::new(
            ResponseStatusCode::SecurityAssociationRequired,
            "identity token: it is shown inside of a TLS session only",
        )),
    }
}

impl Case<'_> {
    /// The token to be checked, if one is; everything that needs one and has none is refused.
    fn to_be_checked(&self, shown: Shown) -> Decided<Option<Zeroizing<String>>> {
        let unproven = self.peer.credential_id().is_none();
        let required = || {
            let text = RefusalReason::Unproven.to_string();
            Err(Refuse::new(ResponseStatusCode::SecurityAssociationRequired, text))
        };
        match shown {
            Shown::Nothing if unproven => required(),
            Shown::Nothing => Ok(None),
            _ if !is_registration(self.request) && unproven => required(),
            _ if !is_registration(self.request) => {
                Err(Refuse::bad("identity token: it is shown in a registration only"))
            }
            Shown::NotText => Err(Refuse::bad("idtk: expected text")),
            Shown::Two => {
                Err(Refuse::bad("idtk and Proxy-Authorization: two different tokens in one request"))
            }
            // It is to be closed already; what it goes on to guess is not looked at.
            Shown::Text(_) if self.peer.wrong_tokens() >= MAX_WRONG_TOKENS => Err(not_accepted()),
            Shown::Text(text) => Ok(Some(text)),
        }
    }

    /// Binds the session to whom the token stands for, if it may be used and the request is that entity's.
    fn judge(&self, found: Option<&Enrolment>) -> Decided<()> {
        let token = found.filter(|found| usable_enrolment(found, Function::Cse, self.now).is_ok());
        let token = token.ok_or_else(|| self.wrong())?;
        match self.speaker(token) {
            Err(refuse) if refuse.rsc == ResponseStatusCode::BadRequest => Err(refuse),
            Ok(Speaker::Ae(_) | Speaker::Cse(_)) => self.peer.prove(token).map_err(|_| self.wrong()),
            Ok(_) | Err(_) => Err(self.wrong()),
        }
    }

    /// Who would speak, if the session were that of `token`.
    fn speaker(&self, token: &Enrolment) -> Decided<Speaker> {
        let established = Established::by_enrolment(Framework::Token, token);
        let bound = Channel::Association(Arc::new(Peer::new(established, self.peer.source())));
        let from = FromParam::parse(self.request.fr.as_deref());
        let (home, attempt) = (&self.settings.home, receive::attempt(self.request));
        Ok(check_originator(home, &bound, &from, attempt, &Known::default())?)
    }

    /// Counts a wrong token. All wrong ones are told the same.
    fn wrong(&self) -> Refuse {
        self.peer.wrong_token();
        not_accepted()
    }
}

fn not_accepted() -> Refuse {
    Refuse::new(ResponseStatusCode::OriginatorNotAuthenticated, "the identity token was not accepted")
}

/// The requests that may show a token: CREATE and UPDATE of a registration.
fn is_registration(request: &Request) -> bool {
    match request.op {
        Operation::Create => matches!(
            request.ty.and_then(ResourceType::from_code),
            Some(ResourceType::Ae | ResourceType::RemoteCse)
        ),
        Operation::Update => true,
        _ => false,
    }
}
