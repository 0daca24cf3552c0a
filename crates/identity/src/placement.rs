use onem2m::id::{CseId, EntityId};
use thiserror::Error;

/// Why an entity can never be registered with a CSE.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Misplaced {
    /// A C-type AE-ID contains the name of its registrar, and every AE-ID that of its service provider.
    #[error("{ae} cannot register with {home}: its AE-ID belongs to another CSE or service provider")]
    Elsewhere {
        /// The AE.
        ae: String,
        /// The registrar.
        home: CseId,
    },
    /// The CSE is the registrar itself.
    #[error("{home} cannot register with itself")]
    Itself {
        /// The registrar.
        home: CseId,
    },
}

/// Whether `entity` can be registered with `home` at all, as far as its name tells.
///
/// # Errors
/// [`Misplaced`] if not.
pub fn may_register(entity: &EntityId, home: &CseId) -> Result<(), Misplaced> {
    match entity {
        EntityId::Ae(ae)
            if ae.sp() != home.sp() || ae.registrar().is_some_and(|name| name != home.name()) =>
        {
            Err(Misplaced::Elsewhere { ae: ae.to_string(), home: home.clone() })
        }
        EntityId::Cse(cse) if cse == home => Err(Misplaced::Itself { home: home.clone() }),
        EntityId::Ae(_) | EntityId::Cse(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use onem2m::id::EntityKind;

    use super::*;

    #[test]
    fn a_name_tells_where_it_cannot_register() {
        let home: CseId = "//example.org/mn-1".parse().unwrap();
        for (kind, name, possible) in [
            (EntityKind::Ae, "//example.org/mn-1/Ca", true),
            (EntityKind::Ae, "//example.org/Sa", true),
            (EntityKind::Ae, "//example.org/mn-2/Ca", false),
            (EntityKind::Ae, "//example.com/mn-1/Ca", false),
            (EntityKind::Ae, "//example.com/Sa", false),
            (EntityKind::Cse, "//example.org/mn-2", true),
            (EntityKind::Cse, "//example.com/mn-1", true),
            (EntityKind::Cse, "//example.org/mn-1", false),
        ] {
            let entity = EntityId::parse(kind, name).unwrap();
            let found = may_register(&entity, &home);
            assert_eq!(found.is_ok(), possible, "{name}");
            assert!(found.err().is_none_or(|error| error.to_string().contains("//example.org/mn-1")));
        }
    }
}
