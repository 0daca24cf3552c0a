//! SPDX licence expressions, as far as crates use them: names, `AND`, `OR`, `WITH`, parentheses, and the old
//! `/` for `OR`.

use std::collections::BTreeSet;

/// Whether the licences of `allowed` suffice for `expression`. An expression that cannot be read is not
/// satisfied. `AND` binds tighter than `OR`; an exception after `WITH` only adds freedoms to the licence it
/// stands behind, so the licence decides.
pub(crate) fn satisfied(expression: &str, allowed: &BTreeSet<String>) -> bool {
    let spaced = expression.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
    let tokens: Vec<&str> = spaced.split_whitespace().collect();
    let mut reader = Reader { tokens: &tokens, allowed };
    reader.either() == Some(true) && reader.tokens.is_empty()
}

struct Reader<'a> {
    tokens: &'a [&'a str],
    allowed: &'a BTreeSet<String>,
}

impl<'a> Reader<'a> {
    fn either(&mut self) -> Option<bool> {
        let mut value = self.both()?;
        while self.skip("OR") {
            value |= self.both()?;
        }
        Some(value)
    }

    fn both(&mut self) -> Option<bool> {
        let mut value = self.one()?;
        while self.skip("AND") {
            value &= self.one()?;
        }
        Some(value)
    }

    fn one(&mut self) -> Option<bool> {
        match self.next()? {
            "(" => {
                let value = self.either()?;
                self.skip(")").then_some(value)
            }
            ")" | "AND" | "OR" | "WITH" => None,
            name => {
                if self.skip("WITH") {
                    self.next()?;
                }
                Some(self.allowed.contains(name))
            }
        }
    }

    fn next(&mut self) -> Option<&'a str> {
        let (first, rest) = self.tokens.split_first()?;
        self.tokens = rest;
        Some(first)
    }

    fn skip(&mut self, token: &str) -> bool {
        let here = self.tokens.first() == Some(&token);
        if here {
            self.next();
        }
        here
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_are_judged() {
        let allowed: BTreeSet<String> = ["MIT", "Apache-2.0", "Unicode-3.0"].map(str::to_owned).into();
        for expression in [
            "MIT",
            "MIT OR GPL-3.0",
            "GPL-3.0/MIT",
            "Apache-2.0 WITH LLVM-exception OR GPL-2.0",
            "(MIT OR Apache-2.0) AND Unicode-3.0",
            "GPL-3.0 AND BSL-1.0 OR MIT",
        ] {
            assert!(satisfied(expression, &allowed), "{expression}");
        }
        for expression in [
            "",
            "GPL-3.0",
            "MIT AND GPL-3.0",
            "MIT AND (GPL-3.0 OR BSL-1.0)",
            "MIT OR",
            "(MIT",
            "MIT)",
            "MIT MIT",
            "mit",
        ] {
            assert!(!satisfied(expression, &allowed), "{expression}");
        }
    }
}
