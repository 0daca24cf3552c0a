//! Step Recv-1.0: is the primitive valid, and may its originator speak (TS-0004 §7.3.2.1).
//!
//! The order of the checks decides which error wins and is that of the clause.

use std::sync::Arc;

use identity::{Attempt, Channel, Known, Peer, Speaker, check_originator};
use onem2m::{
    address::{Scope, Target},
    id::FromParam,
    primitive::{Operation, Request, ResultContent},
    resource::ResourceType,
    status::ResponseStatusCode,
    time::Timestamp,
};

use crate::{
    refuse::{Decided, Refuse},
    settings::Settings,
};

/// A request that passed: what it wants, of what, and who wants it.
#[derive(Debug)]
pub(crate) struct Checked {
    pub(crate) speaker: Speaker,
    /// Where the target lies below this CSE.
    pub(crate) segments: Vec<String>,
    /// Attribute named after `#` in the target.
    pub(crate) attribute: Option<String>,
    /// Type to create; present exactly in a CREATE.
    pub(crate) create: Option<ResourceType>,
    pub(crate) result_content: ResultContent,
}

/// Checks `request`, which `peer` sent at `now`.
pub(crate) fn check(
    settings: &Settings,
    peer: &Arc<Peer>,
    request: &Request,
    now: Timestamp,
) -> Decided<Checked> {
    time_allows(request, now)?;
    let target = Target::parse(&request.to).map_err(|error| Refuse::bad(error.to_string()))?;
    let attempt = if request.op == Operation::Create && request.ty == Some(ResourceType::Ae.code()) {
        Attempt::CreateAe
    } else {
        Attempt::Other
    };
    let from = FromParam::parse(request.fr.as_deref());
    let channel = Channel::Association(Arc::clone(peer));
    let speaker = check_originator(&settings.home, &channel, &from, attempt, &Known::default())
        .map_err(|refusal| Refuse { rsc: refusal.rsc, debug: refusal.reason.to_string() })?;
    let create = resource_type(request)?;
    let result_content = result_content(request)?;
    release_is_supported(settings, request)?;
    parameters_are_supported(request)?;
    let segments = hosted_here(settings, &target, create)?;
    Ok(Checked {
        speaker,
        segments,
        attribute: target.attribute().map(ToOwned::to_owned),
        create,
        result_content,
    })
}

fn time_allows(request: &Request, now: Timestamp) -> Decided<()> {
    for (name, time) in [("rset", &request.rset), ("oet", &request.oet)] {
        if time.is_some() {
            return Err(Refuse::not_implemented(format!("{name} is not supported")));
        }
    }
    match &request.rqet {
        Some(expiry) if expiry.resolve(now) < now => {
            Err(Refuse::new(ResponseStatusCode::RequestTimeout, "rqet has passed"))
        }
        _ => Ok(()),
    }
}

fn resource_type(request: &Request) -> Decided<Option<ResourceType>> {
    match (request.op, request.ty) {
        (Operation::Create, None) => Err(Refuse::bad("ty is missing in a CREATE")),
        (Operation::Create, Some(code)) => ResourceType::from_code(code)
            .map(Some)
            .ok_or_else(|| Refuse::bad(format!("ty {code} is not a resource type (TS-0004 §6.3.4.2.1)"))),
        (_, Some(_)) => Err(Refuse::bad("ty is present in a request that creates nothing")),
        (_, None) => Ok(None),
    }
}

fn result_content(request: &Request) -> Decided<ResultContent> {
    if request.fc.is_some() {
        return match request.op {
            Operation::Create => Err(Refuse::bad("fc is present in a CREATE")),
            _ => Err(Refuse::not_implemented("fc is not supported")),
        };
    }
    let Some(wanted) = request.rcn else { return Ok(ResultContent::default_for(request.op)) };
    if !wanted.is_allowed_for(request.op) {
        return Err(Refuse::bad(format!(
            "rcn {} is not allowed in this operation (TS-0001 table 8.1.2-1)",
            wanted.code()
        )));
    }
    match wanted {
        ResultContent::Nothing
        | ResultContent::Attributes
        | ResultContent::HierarchicalAddress
        | ResultContent::HierarchicalAddressAndAttributes
        | ResultContent::ModifiedAttributes => Ok(wanted),
        other => Err(Refuse::not_implemented(format!("rcn {} is not supported", other.code()))),
    }
}

fn release_is_supported(settings: &Settings, request: &Request) -> Decided<()> {
    let release = request.rvi.as_deref().unwrap_or("1");
    if settings.releases.iter().any(|supported| supported == release) {
        return Ok(());
    }
    let found = if request.rvi.is_none() { "rvi is missing, which means release 1" } else { "rvi" };
    Err(Refuse::new(
        ResponseStatusCode::ReleaseVersionNotSupported,
        format!("{found}: supported are {}", settings.releases.join(", ")),
    ))
}

fn parameters_are_supported(request: &Request) -> Decided<()> {
    if request.op == Operation::Notify {
        return Err(Refuse::not_implemented("NOTIFY is not supported"));
    }
    let unsupported = [
        ("rt", request.rt.as_ref().is_some_and(|kind| !kind.is_blocking())),
        ("rp", request.rp.is_some()),
        ("da", request.da == Some(true)),
        ("gid", request.gid.is_some()),
        ("grtm", request.grtm.is_some()),
        ("drt", request.drt.is_some()),
        ("tkns", request.tkns.is_some()),
        ("tids", request.tids.is_some()),
        ("ltids", request.ltids.is_some()),
        ("tqi", request.tqi == Some(true)),
        ("asi", request.asi == Some(true)),
        ("aus", request.aus.is_some()),
        ("auri", request.auri == Some(true)),
        ("sqi", request.sqi == Some(true)),
        ("rids", request.rids.is_some()),
    ];
    match unsupported.into_iter().find(|(_, present)| *present) {
        Some((name, _)) => Err(Refuse::not_implemented(format!("{name} is not supported"))),
        None => Ok(()),
    }
}

/// Hosting or transit (TS-0004 §7.3.2.8). This CSE has no route to others yet.
fn hosted_here(settings: &Settings, target: &Target, create: Option<ResourceType>) -> Decided<Vec<String>> {
    let home = &settings.home.cse;
    let here = match target.scope() {
        Scope::CseRelative => true,
        Scope::SpRelative { cse } => cse == home.name(),
        Scope::Absolute { sp, cse } => sp == home.sp() && cse == home.name(),
    };
    match (here, create) {
        (true, _) => Ok(target.segments().to_vec()),
        (false, Some(ResourceType::Ae | ResourceType::RemoteCse)) => {
            Err(Refuse::bad("a registration is made at the registrar itself and is not forwarded"))
        }
        (false, _) => {
            Err(Refuse::new(ResponseStatusCode::NotFound, "there is no route to the CSE of this address"))
        }
    }
}
