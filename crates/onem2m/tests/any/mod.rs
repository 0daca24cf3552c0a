//! Requests and responses of every kind, for tests that read back what they wrote. Also used by the tests of
//! `binding`.

use onem2m::primitive::{
    AccessToken, AttributeCondition, ContentStatus, DesiredIdentifierResultType, EventCategory,
    FilterCriteria, FilterOperation, FilterUsage, LocalTokenAssignment, LocalTokenAssignments, Operation,
    Request, Response, ResponseType, ResponseTypeInfo, ResultContent,
};
use onem2m::status::ResponseStatusCode;
use onem2m::time::{AbsRelTimestamp, ResultPersistence, Timestamp};
use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::json;

fn timestamp() -> impl Strategy<Value = Timestamp> {
    (Timestamp::MIN.unix_micros()..=Timestamp::MAX.unix_micros())
        .prop_map(|micros| Timestamp::from_unix_micros(micros).unwrap())
}

fn time() -> impl Strategy<Value = AbsRelTimestamp> {
    prop_oneof![
        timestamp().prop_map(AbsRelTimestamp::Absolute),
        any::<i64>().prop_map(AbsRelTimestamp::Relative)
    ]
}

fn persistence() -> impl Strategy<Value = ResultPersistence> {
    prop_oneof![
        time().prop_map(ResultPersistence::Time),
        "P[1-9]D|PT[0-9]{1,3}S|P1Y2M3DT10H1M0\\.5S".prop_map(|text| text.parse().unwrap())
    ]
}

/// Lists that can travel in a query, which knows no empty parts.
fn texts() -> impl Strategy<Value = Vec<String>> {
    vec("[a-zäé %+&=#/?:*\"\u{0}]{1,6}", 1..4)
}

fn visible() -> &'static str {
    "[!-~]([ -~]{0,10}[!-~])?"
}

fn conditions() -> impl Strategy<Value = Vec<AttributeCondition>> {
    let condition = (select(vec!["rn", "api", "cr", "poa", "con"]), ".{0,6}");
    vec(condition.prop_map(|(nm, val)| AttributeCondition { nm: nm.to_owned(), val: json!(val) }), 1..4)
}

fn filter() -> impl Strategy<Value = FilterCriteria> {
    let times = (
        of(timestamp()),
        of(timestamp()),
        of(timestamp()),
        of(timestamp()),
        of(timestamp()),
        of(timestamp()),
    );
    let numbers = (
        of(any::<std::num::NonZeroU64>()),
        of(any::<u64>()),
        of(any::<u64>()),
        of(any::<std::num::NonZeroU64>()),
        of(any::<u64>()),
        of(any::<u32>()),
        of(any::<std::num::NonZeroU64>()),
        of(any::<std::num::NonZeroU64>()),
    );
    let lists = (of(texts()), of(texts()), of(texts()), of(texts()), of(texts()));
    let types = (of(vec(any::<u32>(), 1..4)), of(vec(any::<u32>(), 1..4)), of(vec(any::<u32>(), 1..4)));
    let attributes = (of(conditions()), of(conditions()), of(conditions()));
    let rest = (
        of(select(FilterUsage::ALL)),
        of(select(FilterOperation::ALL)),
        of(".{0,8}"),
        of(".{0,8}"),
        of(".{0,8}"),
    );
    (times, numbers, lists, types, attributes, rest).prop_map(
        |(times, numbers, lists, types, attributes, rest)| {
            let mut fc = FilterCriteria::default();
            (fc.crb, fc.cra, fc.ms, fc.us, fc.exb, fc.exa) = times;
            (fc.sts, fc.stb, fc.sza, fc.szb, fc.lim, fc.cfs, fc.lvl, fc.ofst) = numbers;
            (fc.lbl, fc.clbl, fc.palb, fc.cty, fc.smf) = lists;
            (fc.ty, fc.chty, fc.pty) = types;
            (fc.atr, fc.catr, fc.patr) = attributes;
            (fc.fu, fc.fo, fc.lbq, fc.cfq, fc.arp) = rest;
            fc
        },
    )
}

fn response_type() -> impl Strategy<Value = ResponseTypeInfo> {
    (select(ResponseType::ALL), of(vec("[a-z:/.?=]{1,12}", 0..3))).prop_map(|(rtv, nu)| {
        let nu = nu.filter(|_| rtv == ResponseType::NonBlockingAsynch);
        ResponseTypeInfo { nu, ..ResponseTypeInfo::new(rtv) }
    })
}

/// A request whose parameters fit its operation.
pub(crate) fn request() -> impl Strategy<Value = Request> {
    let core = (
        select(Operation::ALL),
        "-|cnt1|-/a/b|/cse/x/la|//sp\\.org/cse/-/x|/cse",
        visible(),
        of(visible()),
        of("1|2|2a|3|4"),
    );
    let times = (of(timestamp()), of(time()), of(time()), of(time()), of(persistence()));
    let handling = (
        of(response_type()),
        of(select(ResultContent::ALL)),
        of(prop_oneof![2u16..=4, 100u16..=999].prop_map(|code| EventCategory::new(code).unwrap())),
        of(any::<bool>()),
        of(visible()),
        of(select(DesiredIdentifierResultType::ALL)),
    );
    let authorization = (
        of(texts()),
        of(vec("[a-zA-Z0-9_-]{1,5}\\.[a-z]{0,5}\\.[a-z]{1,5}", 1..3)),
        of(texts()),
        of(texts()),
        of(any::<bool>()),
        of(any::<bool>()),
        of(vec("[a-zA-Z0-9_-]{1,9}={0,2}", 1..3)),
        of(any::<bool>()),
    );
    let rest = (of(texts()), of(any::<bool>()), of(visible()), of(filter()), any::<u32>(), any::<bool>());
    (core, times, handling, authorization, rest).prop_map(|(core, times, handling, authorization, rest)| {
        let (op, to, rqi, fr, rvi) = core;
        let mut request = Request::new(op, to, rqi);
        (request.fr, request.rvi) = (fr, rvi);
        (request.ot, request.rqet, request.rset, request.oet, request.rp) = times;
        (request.rt, request.rcn, request.ec, request.da, request.gid, request.drt) = handling;
        let (rids, tokens, tids, ltids, tqi, asi, aus, auri) = authorization;
        request.tkns = tokens.map(|tokens| tokens.into_iter().map(AccessToken::new).collect());
        (request.rids, request.tids, request.ltids, request.tqi) = (rids, tids, ltids, tqi);
        (request.asi, request.aus, request.auri) = (asi, aus, auri);
        let (grtm, sqi, vsi, fc, ty, partial) = rest;
        (request.grtm, request.sqi, request.vsi) = (grtm, sqi, vsi);
        request.fc = fc.filter(|fc| !fc.is_empty());
        request.ty = (op == Operation::Create).then_some(ty);
        request.pc = match op {
            Operation::Create | Operation::Update => {
                Some(json!({"m2m:cnt": {"lbl": ["ä"], "mni": 7, "et": null}}))
            }
            Operation::Notify => Some(json!({"m2m:sgn": {"sur": "/cse/sub1"}})),
            Operation::Retrieve => partial.then(|| json!({"m2m:atrl": ["ri", "rr"]})),
            Operation::Delete => None,
        };
        remove_misplaced(request)
    })
}

fn remove_misplaced(mut request: Request) -> Request {
    if request.op == Operation::Notify {
        (request.rp, request.rcn, request.fc, request.grtm) = (None, None, None, None);
        (request.asi, request.aus, request.auri) = (None, None, None);
    }
    if request.op == Operation::Create {
        request.fc = None;
    }
    if request.op != Operation::Retrieve {
        (request.drt, request.sqi) = (None, None);
    }
    assert_eq!(request.check_presence(), Ok(()));
    assert_eq!(request.check_forms(), Ok(()));
    request
}

/// A response.
pub(crate) fn response() -> impl Strategy<Value = Response> {
    let core = (select(ResponseStatusCode::ALL), visible(), of("2|2a|3"), of(visible()), of(visible()));
    let times =
        (of(timestamp()), of(time()), of(select(vec![EventCategory::IMMEDIATE, EventCategory::LATEST])));
    let rest = (
        of(select(ContentStatus::ALL)),
        of(any::<std::num::NonZeroU64>()),
        of(any::<bool>()),
        of(vec(("[a-z]{1,4}", "[a-z]{1,4}@[a-z]{1,4}\\.org"), 1..3)),
        of(any::<bool>()),
    );
    (core, times, rest).prop_map(|((rsc, rqi, rvi, fr, vsi), times, (cnst, cnot, asri, ati, content))| {
        let mut response = Response::with_rqi(rsc, rqi);
        (response.rvi, response.fr, response.vsi) = (rvi, fr, vsi);
        (response.ot, response.rset, response.ec) = times;
        (response.cnst, response.cnot, response.asri) = (cnst, cnot, asri);
        response.ati = ati.map(|pairs| {
            LocalTokenAssignments::new(
                pairs.into_iter().map(|(lti, tkid)| LocalTokenAssignment::new(lti, tkid)).collect(),
            )
        });
        match content {
            Some(true) => response.pc = Some(json!({"m2m:cnt": {"rn": "ä", "cni": 0}})),
            Some(false) => response.tqf = Some(json!({"dasi": [{"uri": "https://das.example"}]})),
            None => {}
        }
        response
    })
}
