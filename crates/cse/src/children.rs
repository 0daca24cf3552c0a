//! What lies below a resource, as far as the originator may see it (TS-0001 §8.1.2 Result Content).

use std::num::NonZeroU64;

use identity::Speaker;
use onem2m::{
    primitive::{ContentStatus, DesiredIdentifierResultType, Response, ResultContent},
    resource::{ResourceType, attr},
    time::Timestamp,
};
use serde_json::{Map, Value, json};
use store::{Resource, Resources, StoreError};

use crate::{
    access::{self, Wish},
    render,
    resolve::{BASE_ID, is_alive},
    settings::Settings,
    standing,
};

/// Most resources in one answer, besides the target.
pub(crate) const MAX_LISTED: u64 = 1000;
/// Levels below the target that are looked at whatever the originator wants.
const MAX_LEVELS: u64 = 32;

/// Which part of what lies below is wanted (TS-0001 table 8.1.2-2: level, limit, offset).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Window {
    /// So many levels; all if absent.
    pub(crate) levels: Option<NonZeroU64>,
    /// At most so many resources.
    pub(crate) limit: Option<u64>,
    /// From this direct child on, the first being 1.
    pub(crate) offset: Option<NonZeroU64>,
}

/// A resource with what lies below it.
#[derive(Debug)]
struct Branch {
    resource: Resource,
    address: String,
    children: Vec<Self>,
}

/// What lies below a resource.
#[derive(Debug)]
pub(crate) struct Below {
    branches: Vec<Branch>,
    /// The direct child with which the next part begins, if there is one.
    next: Option<NonZeroU64>,
}

/// Who looks, and when.
pub(crate) struct Looking<'a> {
    pub(crate) settings: &'a Settings,
    pub(crate) speaker: &'a Speaker,
    pub(crate) registered: bool,
    pub(crate) now: Timestamp,
}

impl Looking<'_> {
    /// What lies below `target`, at `address`. A direct child is shown with all that lies below it or not at all.
    pub(crate) fn below(
        &self,
        records: &impl Resources,
        target: &Resource,
        address: &str,
        window: Window,
    ) -> Result<Below, StoreError> {
        let limit = window.limit.unwrap_or(MAX_LISTED).min(MAX_LISTED);
        let levels = window.levels.map_or(MAX_LEVELS, NonZeroU64::get).min(MAX_LEVELS);
        let first = window.offset.map_or(1, NonZeroU64::get);
        let mut below = Below { branches: Vec::new(), next: None };
        let mut left = limit;
        for (child, number) in self.children(records, target)?.into_iter().zip(1..) {
            if number < first {
                continue;
            }
            let mut rest = left;
            match self.branch(records, child, address, levels, &mut rest)? {
                Some(branch) => below.branches.push(branch),
                None => {
                    below.next = NonZeroU64::new(number);
                    break;
                }
            }
            left = rest;
        }
        Ok(below)
    }

    /// `None` if more than `left` resources would be in it.
    fn branch(
        &self,
        records: &impl Resources,
        resource: Resource,
        parent: &str,
        levels: u64,
        left: &mut u64,
    ) -> Result<Option<Branch>, StoreError> {
        let Some(rest) = left.checked_sub(1) else { return Ok(None) };
        *left = rest;
        let address = format!("{parent}/{}", resource.rn);
        let mut children = Vec::new();
        if levels > 1 {
            for child in self.children(records, &resource)? {
                match self.branch(records, child, &address, levels - 1, left)? {
                    Some(branch) => children.push(branch),
                    None => return Ok(None),
                }
            }
        }
        Ok(Some(Branch { resource, address, children }))
    }

    /// The children of `parent` that the speaker may see, by name.
    ///
    /// Below the `<CSEBase>` that can only be its own registration: it is looked up, since going through the
    /// registrations of everybody else would let any one device keep the store busy.
    fn children(&self, records: &impl Resources, parent: &Resource) -> Result<Vec<Resource>, StoreError> {
        if parent.ri == BASE_ID {
            let own = match self.speaker {
                Speaker::Ae(ae) => standing::registration(records, ae, self.now)?,
                Speaker::Cse(cse) => standing::cse_registration(records, self.settings, cse, self.now)?,
                Speaker::Claim(_) | Speaker::Unassigned(_) | Speaker::Behind(..) => None,
            };
            return Ok(own.into_iter().filter(|child| self.may_see(child)).collect());
        }
        // One more than fits, so that it shows that not all fit.
        let most = usize::try_from(MAX_LISTED).unwrap_or(usize::MAX).saturating_add(1);
        let mut visible = Vec::new();
        let mut after: Option<String> = None;
        while visible.len() < most {
            let page = records.children(&parent.ri, after.as_deref(), store::MAX_LISTED)?;
            let Some(last) = page.last() else { break };
            after = Some(last.rn.clone());
            visible.extend(page.into_iter().filter(|child| self.may_see(child)));
        }
        Ok(visible)
    }

    fn may_see(&self, resource: &Resource) -> bool {
        is_alive(resource, self.now)
            && access::by_default(resource, self.speaker, self.registered, Wish::Retrieve).is_ok()
    }
}

/// Whether `wanted` says anything of children.
pub(crate) const fn are_wanted(wanted: ResultContent) -> bool {
    matches!(
        wanted,
        ResultContent::AttributesAndChildResources
            | ResultContent::AttributesAndChildResourceReferences
            | ResultContent::ChildResourceReferences
            | ResultContent::ChildResources
    )
}

impl Below {
    /// Puts the target's attributes and what lies below, as `wanted`, into `response`.
    ///
    /// Outside of a discovery references to children are a member of the resource's own element, with and
    /// without its attributes (TS-0004 table 7.5.2-2, note 2).
    pub(crate) fn fill(
        &self,
        response: &mut Response,
        target: &Resource,
        wanted: ResultContent,
        identifiers: DesiredIdentifierResultType,
    ) {
        let mut content = match wanted {
            ResultContent::AttributesAndChildResources
            | ResultContent::AttributesAndChildResourceReferences => render::attributes(target),
            _ => Map::new(),
        };
        match wanted {
            ResultContent::AttributesAndChildResources | ResultContent::ChildResources => {
                nest(&mut content, &self.branches);
            }
            _ => {
                let mut references = Vec::new();
                refer(&mut references, &self.branches, identifiers);
                if !references.is_empty() {
                    content.insert(attr::CH.into(), Value::Array(references));
                }
            }
        }
        response.pc = Some(json!({ render::element_name(target): content }));
        if self.next.is_some() {
            response.cnst = Some(ContentStatus::Partial);
            response.cnot = self.next;
        }
    }
}

/// Each type's resources are one array, under the name of its element.
fn nest(content: &mut Map<String, Value>, branches: &[Branch]) {
    for branch in branches {
        let mut representation = render::attributes(&branch.resource);
        nest(&mut representation, &branch.children);
        let name = render::element_name(&branch.resource);
        if let Value::Array(array) = content.entry(name).or_insert_with(|| Value::Array(Vec::new())) {
            array.push(Value::Object(representation));
        }
    }
}

/// All of them in one list, parents before their children.
fn refer(references: &mut Vec<Value>, branches: &[Branch], identifiers: DesiredIdentifierResultType) {
    for branch in branches {
        let resource = &branch.resource;
        let value = match identifiers {
            DesiredIdentifierResultType::Structured => &branch.address,
            DesiredIdentifierResultType::Unstructured => &resource.ri,
        };
        references.push(json!({ attr::NM: resource.rn, attr::TYP: resource.ty, attr::VAL: value }));
        refer(references, &branch.children, identifiers);
    }
}

/// The latest expirationTime among the children of `parent`.
pub(crate) fn latest_expiry(
    records: &impl Resources,
    parent: &Resource,
) -> Result<Option<Timestamp>, StoreError> {
    if ResourceType::from_code(parent.ty) == Some(ResourceType::CseBase) {
        return Ok(None);
    }
    let (mut latest, mut after): (Option<Timestamp>, Option<String>) = (None, None);
    loop {
        let page = records.children(&parent.ri, after.as_deref(), store::MAX_LISTED)?;
        let Some(last) = page.last() else { return Ok(latest) };
        after = Some(last.rn.clone());
        latest = page.iter().filter_map(|child| child.et).max().max(latest);
    }
}
