//! From an address to the resource and back (TS-0001 §9.3.1, TS-0004 §6.8).

use onem2m::{id::CseId, time::Timestamp};
use store::{Resource, Resources, StoreError};

use crate::settings::Settings;

/// resourceID of the `<CSEBase>`. AE-ID-Stems begin with S or C and cannot be equal to it.
pub(crate) const BASE_ID: &str = "base";

/// How the resourceID of the `<remoteCSE>` of a CSE of our own domain begins.
const REMOTE_CSE: &str = "csr-";
/// How that of another domain's begins.
const FOREIGN_CSE: &str = "fcsr-";

/// More levels than any tree of ours has; the walk upwards ends there whatever is stored.
const MAX_LEVELS: usize = 64;

/// The resource that `segments` address below this CSE, unless it has expired. The first segment is the
/// name of the `<CSEBase>`, `-`, or a resourceID; none at all means the `<CSEBase>`.
pub(crate) fn resolve(
    records: &impl Resources,
    settings: &Settings,
    segments: &[String],
    now: Timestamp,
) -> Result<Option<Resource>, StoreError> {
    let (first, rest) = match segments.split_first() {
        None => (BASE_ID, [].as_slice()),
        Some((first, rest)) if first == "-" || first == settings.base_name.as_str() => (BASE_ID, rest),
        Some((first, rest)) => (first.as_str(), rest),
    };
    let mut found = records.resource(first)?;
    for name in rest {
        let Some(parent) = found else { return Ok(None) };
        found = records.child_by_name(&parent.ri, name)?;
    }
    Ok(found.filter(|resource| is_alive(resource, now)))
}

/// Whether `resource` has not expired.
pub(crate) fn is_alive(resource: &Resource, now: Timestamp) -> bool {
    resource.et.is_none_or(|expires| expires > now)
}

/// The structured address of `resource` relative to this CSE, e.g. `home_gateway/light_ae1`.
pub(crate) fn address(records: &impl Resources, resource: &Resource) -> Result<String, StoreError> {
    let mut address = resource.rn.clone();
    let mut parent = resource.pi.clone();
    for _ in 0..MAX_LEVELS {
        let Some(above) = records.resource(&parent)? else { break };
        address = format!("{}/{address}", above.rn);
        parent = above.pi;
    }
    Ok(address)
}

/// resourceID of the `<remoteCSE>` of `cse`. It tells the CSE alone, so that looking for a registration is
/// looking for one resource. A domain name contains no `_`, hence no two CSEs share one.
pub(crate) fn remote_cse_id(settings: &Settings, cse: &CseId) -> String {
    if cse.sp() == settings.home.cse.sp() {
        format!("{REMOTE_CSE}{}", cse.name())
    } else {
        format!("{FOREIGN_CSE}{}_{}", cse.sp().fqdn(), cse.name())
    }
}

/// Whether this can be the resourceID of a `<remoteCSE>`.
#[must_use]
pub fn is_remote_cse_id(ri: &str) -> bool {
    ri.starts_with(REMOTE_CSE) || ri.starts_with(FOREIGN_CSE)
}
