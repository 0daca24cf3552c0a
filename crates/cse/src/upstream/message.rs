//! What is said to the CSE above, and what its answers mean (TS-0004 §7.4.4.2, TS-0001 §10.2.2.7 to 10.2.2.10).

use std::time::Duration;

use onem2m::{
    address::Target,
    id::{CseId, SpId},
    primitive::{Operation, Request, Response},
    resource::{ResourceType, attr},
    time::Timestamp,
};
use serde_json::{Map, Value, json};

use super::{Membership, Trouble};
use crate::settings::Settings;

/// Our own `<remoteCSE>` up there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Own {
    pub(super) address: String,
    pub(super) until: Timestamp,
}

/// Makes requests and reads answers.
#[derive(Debug)]
pub(super) struct Messages {
    settings: Settings,
    membership: Membership,
    asked: u64,
}

impl Messages {
    pub(super) const fn new(settings: Settings, membership: Membership) -> Self {
        Self { settings, membership, asked: 0 }
    }

    pub(super) const fn membership(&self) -> &Membership {
        &self.membership
    }

    fn own_sp(&self) -> &SpId {
        self.settings.home.cse.sp()
    }

    fn is_abroad(&self) -> bool {
        self.membership.registrar.sp() != self.own_sp()
    }

    /// An identifier of ours as the CSE above reads it.
    fn seen_from_above(&self, cse: &CseId) -> String {
        if self.is_abroad() || cse.sp() != self.own_sp() { cse.to_string() } else { cse.sp_relative() }
    }

    fn below_registrar(&self, path: &str) -> String {
        format!("{}/{path}", self.seen_from_above(&self.membership.registrar))
    }

    fn base(&self) -> String {
        self.below_registrar(&self.membership.base_name)
    }

    fn request(&mut self, operation: Operation, to: String) -> Request {
        self.asked += 1;
        let mut request = Request::new(operation, to, format!("up{}", self.asked));
        request.fr = Some(self.seen_from_above(&self.settings.home.cse));
        request.rvi = self.settings.releases.last().cloned();
        request
    }

    fn expires(&self, now: Timestamp) -> Timestamp {
        now.saturating_add(self.membership.lifetime).whole_seconds()
    }

    fn descendants(&self, descendants: &[CseId]) -> Value {
        if descendants.is_empty() {
            return Value::Null;
        }
        descendants.iter().map(|cse| Value::String(self.seen_from_above(cse))).collect()
    }

    /// What a registration and its renewal both say.
    fn facts(&self, now: Timestamp) -> Map<String, Value> {
        let points = &self.membership.points_of_access;
        let mut facts = Map::new();
        facts.insert(attr::RR.into(), json!(!points.is_empty()));
        facts.insert(attr::SRV.into(), json!(self.settings.releases));
        facts.insert(attr::ET.into(), json!(self.expires(now).to_string()));
        if !points.is_empty() {
            facts.insert(attr::POA.into(), json!(points));
        }
        facts
    }

    /// CREATE `<remoteCSE>`.
    pub(super) fn create(&mut self, descendants: &[CseId], now: Timestamp) -> Request {
        let csi = self.seen_from_above(&self.settings.home.cse);
        let base = &self.settings.base_name;
        let mut facts = self.facts(now);
        facts.insert(attr::RN.into(), json!(base.as_str()));
        facts.insert(attr::CB.into(), json!(format!("{csi}/{base}")));
        facts.insert(attr::CSI.into(), json!(csi));
        facts.insert(attr::CST.into(), json!(self.settings.home.cse_type.code()));
        if !descendants.is_empty() {
            facts.insert(attr::DCSE.into(), self.descendants(descendants));
        }
        let mut request = self.request(Operation::Create, self.base());
        request.ty = Some(ResourceType::RemoteCse.code());
        request.pc = Some(json!({ "m2m:csr": facts }));
        request
    }

    /// RETRIEVE of our own `<remoteCSE>` under the name that we give it.
    pub(super) fn find(&mut self) -> Request {
        let to = format!("{}/{}", self.base(), self.settings.base_name);
        self.request(Operation::Retrieve, to)
    }

    /// UPDATE of our own `<remoteCSE>`: it lasts longer, and says what is the case now.
    pub(super) fn renew(&mut self, address: &str, descendants: &[CseId], now: Timestamp) -> Request {
        let mut facts = self.facts(now);
        facts.insert(attr::DCSE.into(), self.descendants(descendants));
        let mut request = self.request(Operation::Update, address.to_owned());
        request.pc = Some(json!({ "m2m:csr": facts }));
        request
    }

    /// DELETE of our own `<remoteCSE>`.
    pub(super) fn delete(&mut self, address: &str) -> Request {
        self.request(Operation::Delete, address.to_owned())
    }

    /// RETRIEVE of the `<CSEBase>` above.
    pub(super) fn retrieve_base(&mut self) -> Request {
        self.request(Operation::Retrieve, self.base())
    }

    /// Our own `<remoteCSE>` as the answer shows it.
    pub(super) fn own(&self, what: &'static str, answer: &Response, now: Timestamp) -> Result<Own, Trouble> {
        let nonsense = |problem: String| Trouble::Nonsense { what, problem };
        let shown =
            element(answer, "m2m:csr").ok_or_else(|| nonsense("its content is no <remoteCSE>".into()))?;
        let text = |name: &str| shown.get(name).and_then(Value::as_str);
        let csi = text(attr::CSI).and_then(|csi| CseId::parse_in(csi, self.membership.registrar.sp()).ok());
        if csi.as_ref() != Some(&self.settings.home.cse) {
            return Err(nonsense("its content is the <remoteCSE> of another CSE".into()));
        }
        let ri = text(attr::RI).ok_or_else(|| nonsense("its content has no resourceID (ri)".into()))?;
        let address = self.below_registrar(ri);
        if Target::parse(&address).is_err() || ri.contains('/') {
            return Err(nonsense("its content has a malformed resourceID (ri)".into()));
        }
        Ok(Own { address, until: self.until(shown, now) })
    }

    /// Until when a renewal lasts. An answer without content grants what was asked for.
    pub(super) fn renewed(&self, answer: &Response, now: Timestamp) -> Timestamp {
        element(answer, "m2m:csr").map_or_else(|| self.expires(now), |shown| self.until(shown, now))
    }

    fn until(&self, shown: &Map<String, Value>, now: Timestamp) -> Timestamp {
        let granted = shown.get(attr::ET).and_then(Value::as_str).and_then(|text| text.parse().ok());
        granted.unwrap_or_else(|| self.expires(now))
    }

    /// What is kept of the CSE above, from its `<CSEBase>` if it showed it.
    pub(super) fn mirrored(&self, answer: Option<&Response>) -> Result<Map<String, Value>, Trouble> {
        let what = "RETRIEVE <CSEBase>";
        let mut kept = Map::new();
        kept.insert(attr::CB.into(), json!(self.base()));
        kept.insert(attr::RR.into(), json!(true));
        kept.insert(attr::SRV.into(), json!(self.settings.releases));
        let Some(answer) = answer else { return Ok(kept) };
        let nonsense = |problem: &str| Trouble::Nonsense { what, problem: problem.to_owned() };
        let shown = element(answer, "m2m:cb").ok_or_else(|| nonsense("its content is no <CSEBase>"))?;
        let found = shown.get(attr::CSI).and_then(Value::as_str);
        let found = found.ok_or_else(|| nonsense("its content has no CSE-ID (csi)"))?;
        let expected = &self.membership.registrar;
        if CseId::parse_in(found, expected.sp()).ok().as_ref() != Some(expected) {
            let found = found.chars().take(64).flat_map(char::escape_debug).collect();
            return Err(Trouble::OtherCse { expected: expected.clone(), found });
        }
        for name in [attr::CST, attr::POA, attr::SRV, attr::CSZ] {
            if let Some(value) = shown.get(name).filter(|value| !value.is_null()) {
                kept.insert(name.into(), value.clone());
            }
        }
        if let Some(rn) = shown.get(attr::RN).and_then(Value::as_str) {
            kept.insert(attr::CB.into(), json!(self.below_registrar(rn)));
        }
        Ok(kept)
    }

    /// When a registration that lasts until `until` is to be renewed: after about two thirds of the time.
    pub(super) fn renewal(until: Timestamp, now: Timestamp, share: f64) -> Duration {
        let left = until.since(now).unwrap_or_default();
        (left * 2 / 3).mul_f64(0.9 + share / 10.0).max(Duration::from_secs(1))
    }
}

fn element<'a>(answer: &'a Response, name: &str) -> Option<&'a Map<String, Value>> {
    answer.pc.as_ref()?.get(name)?.as_object()
}
