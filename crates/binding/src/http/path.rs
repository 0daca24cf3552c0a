//! Addresses and paths (TS-0009 §6.2.2.1).

use super::error::Fault;
use super::percent;
use onem2m::address::{Scope, Target};

/// The segment that marks an SP-relative address.
const SP_RELATIVE: &str = "~";
/// The segment that marks an absolute address.
const ABSOLUTE: &str = "_";

/// The path of an address, without its attribute: `/` before a CSE-relative one, `/~` before an SP-relative
/// one, and `/_` in place of the first slash of an absolute one.
pub(super) fn write(target: &Target) -> String {
    let address = target.clone().without_attribute().to_string();
    match target.scope() {
        Scope::CseRelative => format!("/{address}"),
        Scope::SpRelative { .. } => format!("/{SP_RELATIVE}{address}"),
        Scope::Absolute { .. } => format!("/{ABSOLUTE}{}", address.strip_prefix('/').unwrap_or(&address)),
    }
}

/// The address of a path. Segments are split first and decoded once afterwards, so that an encoded slash
/// cannot become a separator.
pub(super) fn read(path: &str) -> Result<Target, Fault> {
    let path = path.strip_prefix('/').ok_or(Fault::Path("must begin with a slash"))?;
    let segments = path.split('/').map(segment).collect::<Result<Vec<_>, _>>()?;
    let address = match segments.split_first() {
        Some((first, rest)) if first == SP_RELATIVE => format!("/{}", rest.join("/")),
        Some((first, rest)) if first == ABSOLUTE => format!("//{}", rest.join("/")),
        _ => segments.join("/"),
    };
    Ok(Target::parse(&address)?)
}

fn segment(raw: &str) -> Result<String, Fault> {
    let segment = percent::decode(raw).map_err(Fault::Path)?;
    if matches!(segment.as_str(), "" | "." | "..") {
        return Err(Fault::Path("no segment may be empty, \".\" or \"..\""));
    }
    // What else an address may not contain, Target refuses; these would change where its parts begin.
    if segment.contains(['/', '#']) {
        return Err(Fault::Path("no segment may contain an encoded \"/\" or \"#\""));
    }
    Ok(segment)
}

/// Takes the path of this server's own point of access away.
pub(super) fn below<'a>(path: &'a str, base: &str) -> Result<&'a str, Fault> {
    path.strip_prefix(base.strip_suffix('/').unwrap_or(base))
        .ok_or(Fault::Path("is not below the path of the point of access"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// TS-0009 table 6.2.2.1-1, the trailing slash of its first row aside, and the other forms.
    const MAPPED: [(&str, &str); 9] = [
        ("CSEBase/ae12/cont27/contInst696", "/CSEBase/ae12/cont27/contInst696"),
        ("cin00856", "/cin00856"),
        ("/CSE178/CSEBase/ae12/cont27/contInst696", "/~/CSE178/CSEBase/ae12/cont27/contInst696"),
        ("/CSE178/cin00856", "/~/CSE178/cin00856"),
        ("//mym2msp.org/CSE178/CSEBase/ae12", "/_/mym2msp.org/CSE178/CSEBase/ae12"),
        ("//mym2msp.org/CSE178/cin00856", "/_/mym2msp.org/CSE178/cin00856"),
        ("-/light1/state", "/-/light1/state"),
        ("/CSE178", "/~/CSE178"),
        ("//mym2msp.org/CSE178", "/_/mym2msp.org/CSE178"),
    ];

    #[test]
    fn both_ways() {
        for (address, path) in MAPPED {
            let target = Target::parse(address).unwrap();
            assert_eq!(write(&target), path);
            assert_eq!(read(path).unwrap(), target);
        }
        assert_eq!(write(&Target::parse("/CSE178/cin1#rr").unwrap()), "/~/CSE178/cin1");
        assert_eq!(read("/%7E/CSE178/c%69n1").unwrap().to_string(), "/CSE178/cin1");
        assert_eq!(read("/%5f/mym2msp.org/CSE178").unwrap().to_string(), "//mym2msp.org/CSE178");
    }

    #[test]
    fn refuses() {
        for bad in [
            "",
            "x",
            "/",
            "//",
            "/a/",
            "/a//b",
            "//a",
            "/a/./b",
            "/a/../b",
            "/%2e%2e/a",
            "/a/%2E",
            "/a%2Fb",
            "/a%23rr",
            "/~",
            "/~/",
            "/~//a",
            "/_",
            "/_/",
            "/_/sp.org",
            "/_/sp.org/",
            "/_/SP.org/cse",
            "/~/../cse",
            "/a%",
            "/a%zz",
            "/a%ff",
            "/a%00",
            "/a b",
            "/a\"b",
            "/a{b}",
            "/ä",
            "/a%C3%A4",
            "/a+b",
            "/a:b",
            "/a;b",
            "/*",
            "/a%2525",
            "/~~/a",
            "/~%2Fcse/a",
            "/x/~/cse/a",
        ] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_base_is_taken_away() {
        assert_eq!(below("/base/a", "/base").unwrap(), "/a");
        assert_eq!(below("/base/a", "/base/").unwrap(), "/a");
        assert_eq!(below("/a", "").unwrap(), "/a");
        assert_eq!(below("/a", "/").unwrap(), "/a");
        assert!(below("/a", "/base").is_err());
        // What is left does not begin with a slash and is refused as a path.
        assert!(read(below("/baseless", "/base").unwrap()).is_err());
    }
}
