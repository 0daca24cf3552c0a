//! Step Recv-1.0: is the primitive valid, and may its originator speak (TS-0004 §7.3.2.1).
//!
//! The order of the checks decides which error wins and is that of the clause.

use identity::{Attempt, Channel, Speaker, check_originator};
use onem2m::{
    address::Target,
    id::{CseId, FromParam, IdError, RoleId},
    primitive::{
        DesiredIdentifierResultType, FilterUsage, Operation, PrimitiveError, Request, ResultContent,
    },
    resource::ResourceType,
    status::ResponseStatusCode,
    time::Timestamp,
};

use crate::{
    children::Window,
    refuse::{Decided, Refuse},
    route,
    settings::Settings,
    standing::Standing,
};

/// A request that passed: what it wants, of what, and who wants it.
#[derive(Debug)]
pub(crate) struct Checked {
    pub(crate) speaker: Speaker,
    /// Where the target lies below this CSE, or why the request is not for this CSE. A registration is judged
    /// by service rules before it is told that (step Recv-6.0.2 before 6.1).
    pub(crate) hosted: Decided<Vec<String>>,
    /// The CSE that a request is for which is to be passed on.
    pub(crate) transit: Option<CseId>,
    /// Attribute named after `#` in the target.
    pub(crate) attribute: Option<String>,
    /// Type to create; present exactly in a CREATE.
    pub(crate) create: Option<ResourceType>,
    pub(crate) result_content: ResultContent,
    /// Which part of the children is wanted.
    pub(crate) window: Window,
    /// The roles that a registration of an AE names; service rules say whether it may.
    pub(crate) roles: Vec<RoleId>,
    /// In which form references to children are wanted.
    pub(crate) identifiers: DesiredIdentifierResultType,
}

/// What `request` asks for, as far as the check of its originator depends on it.
pub(crate) fn attempt(request: &Request) -> Attempt {
    match (request.op, request.ty.and_then(ResourceType::from_code)) {
        (Operation::Create, Some(ResourceType::Ae)) => Attempt::CreateAe,
        (Operation::Create, Some(ResourceType::RemoteCse)) => Attempt::CreateRemoteCse,
        _ => Attempt::Other,
    }
}

/// Who speaks in `request`, which came over `channel`.
pub(crate) fn speaker(
    settings: &Settings,
    channel: &Channel,
    request: &Request,
    standing: &Standing,
) -> Decided<Speaker> {
    let from = FromParam::parse(request.fr.as_deref());
    Ok(check_originator(&settings.home, channel, &from, attempt(request), &standing.known())?)
}

/// Checks `request`, which came over `channel` at `now`.
pub(crate) fn check(
    settings: &Settings,
    channel: &Channel,
    request: &Request,
    standing: &Standing,
    now: Timestamp,
) -> Decided<Checked> {
    let target = Target::parse(&request.to);
    let elsewhere = target.as_ref().ok().and_then(|target| route::elsewhere(settings, target));
    time_allows(request, elsewhere.is_some(), now)?;
    let target = target.map_err(|error| Refuse::bad(error.to_string()))?;
    let speaker = speaker(settings, channel, request, standing)?;
    let create = resource_type(request)?;
    if let Err(error @ PrimitiveError::Misplaced { .. }) = request.check_presence() {
        return Err(Refuse::bad(error.to_string()));
    }
    let result_content = result_content(request)?;
    // What only the hosting CSE has to understand does not stop a request on its way (TS-0004 §7.3.2.1).
    let (roles, window) = match elsewhere {
        Some(_) if !is_registration(create) => {
            answered_at_once(request)?;
            (Vec::new(), Window::default())
        }
        _ => {
            release_is_supported(settings, request)?;
            parameters_are_supported(request)?;
            (roles(request, create)?, window(request)?)
        }
    };
    if target.attribute().is_some() && request.op != Operation::Retrieve {
        return Err(Refuse::bad("to: a single attribute is addressed in a RETRIEVE only (TS-0004 §7.3.3.6)"));
    }
    Ok(Checked {
        speaker,
        hosted: hosted_here(&settings.home.cse, &target, elsewhere.as_ref(), create),
        transit: elsewhere.filter(|_| !is_registration(create)),
        attribute: target.attribute().map(ToOwned::to_owned),
        create,
        result_content,
        window,
        roles,
        identifiers: request.drt.unwrap_or(DesiredIdentifierResultType::Structured),
    })
}

fn time_allows(request: &Request, transit: bool, now: Timestamp) -> Decided<()> {
    for (name, time) in [("rset", &request.rset), ("oet", &request.oet)] {
        if time.is_some() && !transit {
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
    let Some(wanted) = request.rcn else { return Ok(ResultContent::default_for(request.op)) };
    if !wanted.is_allowed_for(request.op) {
        return Err(Refuse::bad(format!(
            "rcn {} is not allowed in this operation (TS-0001 table 8.1.2-1)",
            wanted.code()
        )));
    }
    match wanted {
        ResultContent::OriginalResource | ResultContent::SemanticContent => {
            Err(Refuse::not_implemented(format!("rcn {} is not supported", wanted.code())))
        }
        _ => Ok(wanted),
    }
}

/// Of the filter criteria only those that say how much of the children is wanted.
fn window(request: &Request) -> Decided<Window> {
    let Some(criteria) = &request.fc else { return Ok(Window::default()) };
    let mut others = criteria.clone();
    (others.lvl, others.lim, others.ofst) = (None, None, None);
    if others.fu == Some(FilterUsage::ConditionalOperation) {
        others.fu = None;
    }
    if !others.is_empty() || request.op == Operation::Update {
        return Err(Refuse::not_implemented("fc is supported with lvl, lim and ofst of a RETRIEVE only"));
    }
    Ok(Window { levels: criteria.lvl, limit: criteria.lim, offset: criteria.ofst })
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
        ("tkns", request.tkns.is_some()),
        ("tids", request.tids.is_some()),
        ("ltids", request.ltids.is_some()),
        ("tqi", request.tqi == Some(true)),
        ("asi", request.asi == Some(true)),
        ("aus", request.aus.is_some()),
        ("auri", request.auri == Some(true)),
        ("sqi", request.sqi == Some(true)),
    ];
    match unsupported.into_iter().find(|(_, present)| *present) {
        Some((name, _)) => Err(Refuse::not_implemented(format!("{name} is not supported"))),
        None => Ok(()),
    }
}

/// Roles are part of what service rules allow at a registration (TS-0001 §9.6.29). In other requests they would count
/// for access control policies, which there are none of.
fn roles(request: &Request, create: Option<ResourceType>) -> Decided<Vec<RoleId>> {
    match (&request.rids, create) {
        (None, _) => Ok(Vec::new()),
        (Some(texts), Some(ResourceType::Ae)) => {
            let parsed = texts.iter().map(|text| text.parse());
            parsed.collect::<Result<_, _>>().map_err(|error: IdError| Refuse::bad(format!("rids: {error}")))
        }
        (Some(_), _) => Err(Refuse::not_implemented("rids is not supported")),
    }
}

/// There is no `<request>` here to answer from later.
fn answered_at_once(request: &Request) -> Decided<()> {
    if request.rt.as_ref().is_some_and(|kind| !kind.is_blocking()) {
        return Err(Refuse::not_implemented("rt is not supported"));
    }
    Ok(())
}

fn is_registration(create: Option<ResourceType>) -> bool {
    matches!(create, Some(ResourceType::Ae | ResourceType::RemoteCse))
}

/// Hosting or transit (TS-0004 §7.3.2.8): the way below this CSE, or why the request is not carried out here.
fn hosted_here(
    home: &CseId,
    target: &Target,
    elsewhere: Option<&CseId>,
    create: Option<ResourceType>,
) -> Decided<Vec<String>> {
    match elsewhere {
        None => Ok(target.segments().to_vec()),
        Some(other) if is_registration(create) => Err(Refuse::bad(format!(
            "to names {}, and this CSE is {}: a registration is made at the registrar itself and is not forwarded",
            other.sp_relative(),
            home.sp_relative(),
        ))),
        Some(_) => Err(route::no_route()),
    }
}
