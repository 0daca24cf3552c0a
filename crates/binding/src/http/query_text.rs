//! Writing the query (TS-0009 §6.2.2.2).

use super::error::Fault;
use super::percent::encode;
use super::query::{is_attribute_filter, is_own_field};
use super::text_list::write_query;
use onem2m::primitive::{
    AttributeCondition, DesiredIdentifierResultType, FilterCriteria, FilterOperation, FilterUsage, Request,
    ResultContent,
};
use serde_json::Value;
use std::fmt::Display;

/// The query of a request, without the question mark; empty when there is nothing to say. `atrl` are the
/// attributes to retrieve.
pub(super) fn write(request: &Request, atrl: &[String]) -> Result<String, Fault> {
    let mut fields = Fields::default();
    fields.shown("rt", request.rt.as_ref().map(|rt| rt.rtv.code()));
    fields.text("rp", request.rp.as_ref().map(ToString::to_string).as_deref());
    fields.shown("rcn", request.rcn.map(ResultContent::code));
    fields.shown("da", request.da);
    fields.shown("drt", request.drt.map(DesiredIdentifierResultType::code));
    fields.texts("rids", request.rids.as_deref())?;
    fields.texts("tids", request.tids.as_deref())?;
    fields.texts("ltids", request.ltids.as_deref())?;
    fields.shown("tqi", request.tqi);
    fields.texts("grtm", request.grtm.as_deref())?;
    fields.shown("asi", request.asi);
    fields.shown("auri", request.auri);
    fields.shown("sqi", request.sqi);
    if let Some(fc) = &request.fc {
        fields.conditions(fc)?;
    }
    if !atrl.is_empty() {
        fields.texts("atrl", Some(atrl))?;
    }
    Ok(fields.0.join("&"))
}

/// Fields as they are sent.
#[derive(Default)]
struct Fields(Vec<String>);

impl Fields {
    /// A value that needs no encoding.
    fn shown(&mut self, name: &'static str, value: Option<impl Display>) {
        self.0.extend(value.map(|value| format!("{name}={value}")));
    }

    fn text(&mut self, name: &str, value: Option<&str>) {
        self.0.extend(value.map(|value| format!("{name}={}", encode(value))));
    }

    fn texts(&mut self, name: &'static str, values: Option<&[String]>) -> Result<(), Fault> {
        let Some(values) = values else { return Ok(()) };
        if values.is_empty() || values.iter().any(String::is_empty) {
            return Err(Fault::Unwritable {
                parameter: name,
                problem: "an empty list or an empty part has no form in a query",
            });
        }
        self.0.push(format!("{name}={}", write_query(values.iter().cloned())));
        Ok(())
    }

    fn numbers(&mut self, name: &'static str, values: Option<&[u32]>) -> Result<(), Fault> {
        let texts: Option<Vec<String>> =
            values.map(|values| values.iter().map(ToString::to_string).collect());
        self.texts(name, texts.as_deref())
    }

    fn conditions(&mut self, fc: &FilterCriteria) -> Result<(), Fault> {
        let before = self.0.len();
        for (name, time) in
            [("crb", fc.crb), ("cra", fc.cra), ("ms", fc.ms), ("us", fc.us), ("exb", fc.exb), ("exa", fc.exa)]
        {
            self.text(name, time.map(|time| time.to_string()).as_deref());
        }
        for (name, number) in [("sts", fc.sts), ("szb", fc.szb), ("lvl", fc.lvl), ("ofst", fc.ofst)] {
            self.shown(name, number);
        }
        for (name, number) in
            [("stb", fc.stb), ("sza", fc.sza), ("lim", fc.lim), ("cfs", fc.cfs.map(u64::from))]
        {
            self.shown(name, number);
        }
        for (name, labels) in [("lbl", &fc.lbl), ("clbl", &fc.clbl), ("palb", &fc.palb), ("cty", &fc.cty)] {
            self.texts(name, labels.as_deref())?;
        }
        for (name, types) in [("ty", &fc.ty), ("chty", &fc.chty), ("pty", &fc.pty)] {
            self.numbers(name, types.as_deref())?;
        }
        for (name, text) in [("lbq", &fc.lbq), ("cfq", &fc.cfq), ("arp", &fc.arp)] {
            self.text(name, text.as_deref());
        }
        self.shown("fu", fc.fu.map(FilterUsage::code));
        self.shown("fo", fc.fo.map(FilterOperation::code));
        for query in fc.smf.iter().flatten() {
            self.text("smf", Some(query));
        }
        for (parameter, prefix, list) in
            [("atr", "", &fc.atr), ("catr", "c.", &fc.catr), ("patr", "p.", &fc.patr)]
        {
            self.attributes(parameter, prefix, list.as_deref())?;
        }
        if self.0.len() == before {
            return Err(Fault::Unwritable {
                parameter: "fc",
                problem: "filter criteria without conditions have no form in a query",
            });
        }
        Ok(())
    }

    fn attributes(
        &mut self,
        parameter: &'static str,
        prefix: &str,
        conditions: Option<&[AttributeCondition]>,
    ) -> Result<(), Fault> {
        for AttributeCondition { nm, val } in conditions.into_iter().flatten() {
            let text = match val {
                Value::String(text) => text.clone(),
                Value::Number(_) | Value::Bool(_) => val.to_string(),
                Value::Null | Value::Array(_) | Value::Object(_) => {
                    let problem = "the value to filter by must be a text, a number, true or false";
                    return Err(Fault::Unwritable { parameter, problem });
                }
            };
            if !is_attribute_filter(nm) || (prefix.is_empty() && is_own_field(nm)) {
                return Err(Fault::Unwritable {
                    parameter,
                    problem: "it names an attribute that no query can filter by",
                });
            }
            self.text(&format!("{prefix}{nm}"), Some(&text));
        }
        Ok(())
    }
}
