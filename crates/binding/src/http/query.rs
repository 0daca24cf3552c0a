//! Parameters that travel in the query (TS-0009 §6.2.2.2).

use super::error::Fault;
use super::text_list::{read_query, read_query_text};
use onem2m::address::is_attribute_name;
use onem2m::primitive::{
    AttributeCondition, DesiredIdentifierResultType, FilterCriteria, FilterOperation, FilterUsage,
    ResponseType, ResultContent,
};
use onem2m::resource::attr;
use onem2m::time::ResultPersistence;
use serde_json::Value;
use std::str::FromStr;

/// Attributes that have conditions of their own, so that they are no attribute filters (TS-0004 §7.3.3.17.9).
const NO_FILTER: [&str; 6] = [attr::CT, attr::LT, attr::ST, attr::ET, attr::CS, attr::CNF];

/// Names in the table of attributes that are parameters of the request when they stand for themselves. None
/// of them travels in the query, and a reader of the query must not come to think so.
const PARAMETERS: [&str; 5] = [attr::OP, attr::TO, attr::FR, attr::PC, attr::TKNS];

/// What a query says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Query {
    pub(super) rt: Option<ResponseType>,
    pub(super) rp: Option<ResultPersistence>,
    pub(super) rcn: Option<ResultContent>,
    pub(super) da: Option<bool>,
    pub(super) drt: Option<DesiredIdentifierResultType>,
    pub(super) rids: Option<Vec<String>>,
    pub(super) tids: Option<Vec<String>>,
    pub(super) ltids: Option<Vec<String>>,
    pub(super) tqi: Option<bool>,
    pub(super) grtm: Option<Vec<String>>,
    pub(super) asi: Option<bool>,
    pub(super) auri: Option<bool>,
    pub(super) sqi: Option<bool>,
    pub(super) fc: FilterCriteria,
    /// Attributes to retrieve.
    pub(super) atrl: Option<Vec<String>>,
}

/// Reads a query; an absent or empty one says nothing.
pub(super) fn read(query: Option<&str>) -> Result<Query, Fault> {
    let mut found = Query::default();
    let Some(query) = query.filter(|query| !query.is_empty()) else { return Ok(found) };
    for pair in query.split('&') {
        let (name, raw) = pair.split_once('=').ok_or_else(|| fault(pair, "must be name=value"))?;
        let name = super::percent::decode(name).map_err(|problem| fault(name, problem))?;
        let field = Field { name: &name, raw };
        if !found.read_parameter(field)? && !read_condition(&mut found.fc, field)? {
            read_attribute(&mut found.fc, field)?;
        }
    }
    Ok(found)
}

fn fault(field: &str, problem: &'static str) -> Fault {
    let shown: String = field.chars().take(64).flat_map(char::escape_debug).collect();
    Fault::Query { field: shown, problem }
}

impl Query {
    fn read_parameter(&mut self, field: Field<'_>) -> Result<bool, Fault> {
        match field.name {
            "rt" => field.number_into(&mut self.rt, ResponseType::from_code)?,
            "rp" => field.parse_into(&mut self.rp)?,
            "rcn" => field.number_into(&mut self.rcn, ResultContent::from_code)?,
            "da" => field.truth_into(&mut self.da)?,
            "drt" => field.number_into(&mut self.drt, DesiredIdentifierResultType::from_code)?,
            "rids" => field.texts_onto(&mut self.rids)?,
            "tids" => field.texts_onto(&mut self.tids)?,
            "ltids" => field.texts_onto(&mut self.ltids)?,
            "tqi" => field.truth_into(&mut self.tqi)?,
            "grtm" => field.texts_onto(&mut self.grtm)?,
            "asi" => field.truth_into(&mut self.asi)?,
            "auri" => field.truth_into(&mut self.auri)?,
            "sqi" => field.truth_into(&mut self.sqi)?,
            "atrl" => {
                field.texts_onto(&mut self.atrl)?;
                let names = self.atrl.iter().flatten();
                if !names.into_iter().all(|name| is_attribute_name(name)) {
                    return Err(field.fault("must hold short names of attributes"));
                }
            }
            _ => return Ok(false),
        }
        Ok(true)
    }
}

fn read_condition(fc: &mut FilterCriteria, field: Field<'_>) -> Result<bool, Fault> {
    match field.name {
        "crb" => field.parse_into(&mut fc.crb)?,
        "cra" => field.parse_into(&mut fc.cra)?,
        "ms" => field.parse_into(&mut fc.ms)?,
        "us" => field.parse_into(&mut fc.us)?,
        "sts" => field.digits_into(&mut fc.sts)?,
        "stb" => field.digits_into(&mut fc.stb)?,
        "exb" => field.parse_into(&mut fc.exb)?,
        "exa" => field.parse_into(&mut fc.exa)?,
        "lbl" => field.texts_onto(&mut fc.lbl)?,
        "clbl" => field.texts_onto(&mut fc.clbl)?,
        "palb" => field.texts_onto(&mut fc.palb)?,
        "lbq" => field.text_into(&mut fc.lbq)?,
        "ty" => field.numbers_onto(&mut fc.ty)?,
        "chty" => field.numbers_onto(&mut fc.chty)?,
        "pty" => field.numbers_onto(&mut fc.pty)?,
        "sza" => field.digits_into(&mut fc.sza)?,
        "szb" => field.digits_into(&mut fc.szb)?,
        "cty" => field.texts_onto(&mut fc.cty)?,
        "fu" => field.number_into(&mut fc.fu, FilterUsage::from_code)?,
        "lim" => field.digits_into(&mut fc.lim)?,
        "smf" => fc.smf.get_or_insert_default().push(field.text()?),
        "fo" => field.number_into(&mut fc.fo, FilterOperation::from_code)?,
        "cfs" => field.digits_into(&mut fc.cfs)?,
        "cfq" => field.text_into(&mut fc.cfq)?,
        "lvl" => field.digits_into(&mut fc.lvl)?,
        "ofst" => field.digits_into(&mut fc.ofst)?,
        "arp" => field.text_into(&mut fc.arp)?,
        _ => return Ok(false),
    }
    Ok(true)
}

fn read_attribute(fc: &mut FilterCriteria, field: Field<'_>) -> Result<(), Fault> {
    let (list, name) = if let Some(name) = field.name.strip_prefix("c.") {
        (&mut fc.catr, name)
    } else if let Some(name) = field.name.strip_prefix("p.") {
        (&mut fc.patr, name)
    } else {
        (&mut fc.atr, field.name)
    };
    if !is_attribute_filter(name) {
        return Err(field.fault("is no parameter, no filter condition and no attribute to filter by"));
    }
    let condition = AttributeCondition { nm: name.to_owned(), val: Value::String(field.text()?) };
    list.get_or_insert_default().push(condition);
    Ok(())
}

/// Whether the attribute with this short name can be filtered by in a query.
pub(super) fn is_attribute_filter(name: &str) -> bool {
    attr::long_name(name).is_some() && !NO_FILTER.contains(&name) && !PARAMETERS.contains(&name)
}

/// Whether a field of this name means something else than an attribute filter.
pub(super) fn is_own_field(name: &str) -> bool {
    let probe = Field { name, raw: "" };
    let own = |outcome: Result<bool, Fault>| outcome.unwrap_or(true);
    own(Query::default().read_parameter(probe)) || own(read_condition(&mut FilterCriteria::default(), probe))
}

/// One field: its decoded name and its value as it was sent.
#[derive(Clone, Copy)]
struct Field<'q> {
    name: &'q str,
    raw: &'q str,
}

impl Field<'_> {
    fn fault(self, problem: &'static str) -> Fault {
        fault(self.name, problem)
    }

    fn text(self) -> Result<String, Fault> {
        read_query_text(self.raw).map_err(|problem| self.fault(problem))
    }

    fn set<T>(self, slot: &mut Option<T>, value: Option<T>, problem: &'static str) -> Result<(), Fault> {
        if slot.is_some() {
            return Err(self.fault("occurs more than once"));
        }
        *slot = Some(value.ok_or_else(|| self.fault(problem))?);
        Ok(())
    }

    fn text_into(self, slot: &mut Option<String>) -> Result<(), Fault> {
        let text = self.text()?;
        self.set(slot, Some(text), "must be a text")
    }

    fn parse_into<T: FromStr>(self, slot: &mut Option<T>) -> Result<(), Fault> {
        let text = self.text()?;
        self.set(slot, text.parse().ok(), "must be a time")
    }

    fn truth_into(self, slot: &mut Option<bool>) -> Result<(), Fault> {
        let value = match self.text()?.as_str() {
            "true" | "1" => Some(true),
            "false" | "0" => Some(false),
            _ => None,
        };
        self.set(slot, value, "must be true, false, 1 or 0")
    }

    fn digits_into<T: FromStr>(self, slot: &mut Option<T>) -> Result<(), Fault> {
        let text = self.text()?;
        self.set(slot, number(&text), "must be a whole number in range")
    }

    fn number_into<T>(self, slot: &mut Option<T>, value: fn(u16) -> Option<T>) -> Result<(), Fault> {
        let text = self.text()?;
        self.set(slot, number(&text).and_then(value), "must be one of the numbers defined")
    }

    fn texts_onto(self, list: &mut Option<Vec<String>>) -> Result<(), Fault> {
        let texts = read_query(self.raw).map_err(|problem| self.fault(problem))?;
        list.get_or_insert_default().extend(texts);
        Ok(())
    }

    fn numbers_onto(self, list: &mut Option<Vec<u32>>) -> Result<(), Fault> {
        let texts = read_query(self.raw).map_err(|problem| self.fault(problem))?;
        let numbers: Option<Vec<u32>> = texts.iter().map(|text| number(text)).collect();
        let numbers = numbers.ok_or_else(|| self.fault("must hold numbers separated by \"+\""))?;
        list.get_or_insert_default().extend(numbers);
        Ok(())
    }
}

/// A number of decimal digits, without a sign.
fn number<T: FromStr>(text: &str) -> Option<T> {
    text.bytes().all(|octet| octet.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ok(query: &str) -> Query {
        read(Some(query)).unwrap()
    }

    #[test]
    fn parameters() {
        let found = ok(
            "rt=2&rp=P1Y2M3DT10H1M0S&rcn=9&da=0&drt=2&rids=a%40b+c%40d&rids=e&tqi=1&asi=false&auri=true&sqi=0&grtm=a+b",
        );
        assert_eq!(found.rt, Some(ResponseType::NonBlockingAsynch));
        assert_eq!(found.rp.unwrap().to_string(), "P1Y2M3DT10H1M0S");
        assert_eq!(found.rcn, Some(ResultContent::ModifiedAttributes));
        assert_eq!(
            (found.da, found.tqi, found.asi, found.auri, found.sqi),
            (Some(false), Some(true), Some(false), Some(true), Some(false))
        );
        assert_eq!(found.rids.unwrap(), ["a@b", "c@d", "e"]);
        assert_eq!(found.grtm.unwrap(), ["a", "b"]);
        assert!(found.fc.is_empty());
    }

    /// The examples of TS-0009 §6.2.2.2.
    #[test]
    fn discovery() {
        let found = ok("ty=3&cr=Sam&fu=1");
        assert!(found.fc.is_discovery());
        assert_eq!(found.fc.ty.unwrap(), [3]);
        assert_eq!(found.fc.atr.unwrap(), [AttributeCondition { nm: "cr".into(), val: "Sam".into() }]);
        assert_eq!(ok("ty=2+3+4&ty=5").fc.ty.unwrap(), [2, 3, 4, 5]);
        let found = ok(
            "c.rn=x&p.api=N*&lbl=a%2Bb+c&lbq=k%20EQ%20v&cty=application%2Fvnd.onem2m-res%2Bjson&smf=a%20b&smf=c+d",
        );
        assert_eq!(found.fc.catr.unwrap()[0].nm, "rn");
        assert_eq!(found.fc.patr.unwrap()[0].val, "N*");
        assert_eq!(found.fc.lbl.unwrap(), ["a+b", "c"]);
        assert_eq!(found.fc.lbq.unwrap(), "k EQ v");
        assert_eq!(found.fc.cty.unwrap(), ["application/vnd.onem2m-res+json"]);
        assert_eq!(found.fc.smf.unwrap(), ["a b", "c d"]);
        let found = ok("crb=20250101T000000&sts=1&stb=0&lim=10&lvl=1&ofst=1&fo=2&exa=20250101T000000,5");
        assert_eq!(found.fc.crb.unwrap().to_string(), "20250101T000000");
        assert_eq!((found.fc.lim, found.fc.fo), (Some(10), Some(FilterOperation::Or)));
    }

    #[test]
    fn partial_retrieve() {
        assert_eq!(ok("atrl=ri+lbl+rr").atrl.unwrap(), ["ri", "lbl", "rr"]);
        assert!(read(Some("atrl=ri+%23")).is_err());
        assert!(read(Some("atrl=")).is_err());
    }

    #[test]
    fn nothing() {
        assert_eq!(read(None).unwrap(), Query::default());
        assert_eq!(read(Some("")).unwrap(), Query::default());
    }

    #[test]
    fn refuses() {
        for bad in [
            "&",
            "rcn",
            "=1",
            "rcn=1&",
            "&rcn=1",
            "rcn=1&&rt=3",
            "rcn=",
            "rcn=x",
            "rcn=11",
            "rcn=+1",
            "rcn=-1",
            "rcn=1&rcn=1",
            "rcn=1&rcn=2",
            "RCN=1",
            "rt=0",
            "rt=6",
            "rt=3&rt=3",
            "da=2",
            "da=TRUE",
            "tqi=",
            "crb=now",
            "crb=20250101",
            "sts=0",
            "lvl=0",
            "ofst=0",
            "lim=1.5",
            "lim=99999999999999999999",
            "ty=",
            "ty=3+",
            "ty=+3",
            "ty=x",
            "ty=-3",
            "ty=4294967296",
            "lbl=",
            "lbl=a+",
            "fu=4",
            "fo=0",
            "xyz=1",
            "c.=1",
            "c.xyz=1",
            "p.=1",
            "atr=x",
            "ct=20250101T000000",
            "et=x",
            "st=1",
            "cs=1",
            "cnf=x",
            "lt=x",
            "c.ct=x",
            "op=1",
            "fr=Cx",
            "to=x",
            "tkns=x",
            "pc=x",
            "rqi=1",
            "rvi=3",
            "rn=%",
            "rn=%ff",
            "%=1",
            "rn=ä",
            "m2m:rn=x",
            "rp=x",
            "api%00=1",
            "rqet=1",
        ] {
            assert!(matches!(read(Some(bad)), Err(Fault::Query { .. })), "{bad}");
        }
    }

    #[test]
    fn the_error_names_the_field() {
        assert_eq!(
            read(Some("rcn=99")).unwrap_err().to_string(),
            "query field rcn: must be one of the numbers defined (TS-0009 §6.2.2.2)"
        );
    }

    #[test]
    fn own_fields_are_no_attribute_filters() {
        for own in ["rt", "rcn", "lbl", "ty", "fu", "smf", "arp", "atrl", "rids"] {
            assert!(is_own_field(own), "{own}");
        }
        for other in ["rn", "api", "cr", "or", "poa"] {
            assert!(!is_own_field(other) && is_attribute_filter(other), "{other}");
        }
    }
}
