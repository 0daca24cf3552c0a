//! What every engine of the store must do. An engine's test program names its fixture once:
//! `store_suite!(Fixture::new)`, where the fixture has `open(&self) -> Store` onto the same records each time.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may fail loudly")]

pub(crate) mod credentials;
pub(crate) mod enrolments;
pub(crate) mod known;
pub(crate) mod records;
pub(crate) mod sessions;
pub(crate) mod transactions;

/// Makes one test of each function of the suite.
#[macro_export]
macro_rules! store_suite {
    ($fixture:expr) => {
        $crate::store_suite!($fixture, credentials:
            added_is_found, an_identity_is_taken_once_per_function, a_key_value_is_taken_once,
            revoking_keeps_the_row_and_erases_the_key, the_first_entity_does_not_raise_the_version,
            rebinding_rotating_and_expiry, everything_of_an_entity_is_revoked, short_keys_are_explicit,
            hexadecimal_identities_compare_as_octets, a_draft_identity_must_be_the_keys,
            pages_are_complete, limits_of_texts_and_kinds);
        $crate::store_suite!($fixture, enrolments:
            enrolled_is_found, a_key_is_known_by_every_octet_of_its_hash, everything_is_enrolled_once,
            parts_that_do_not_go_together_are_refused, an_enrolment_is_bound_rebound_and_revoked,
            a_list_is_replaced_whole, keys_and_enrolments_of_an_entity_are_revoked,
            enrolments_are_paged_and_chains_noted);
        $crate::store_suite!($fixture, known: cses_are_found_in_any_letter_case, spellings_are_bounded);
        $crate::store_suite!($fixture, sessions:
            a_session_is_found_with_what_it_depends_on, what_ends_associations_forgets_their_sessions,
            registrations_take_the_right_sessions_with_them, a_failed_revocation_leaves_sessions_alone,
            resumption_depends_on_today, sessions_are_bounded, ticket_keys_take_turns);
        $crate::store_suite!($fixture, records:
            resources_are_found_by_id_name_parent_and_type, resources_conflict, updates_replace,
            a_tree_is_deleted_whole, expiry_is_listed_earliest_first, the_audit_is_paged_and_pruned);
        $crate::store_suite!($fixture, transactions:
            a_body_that_fails_keeps_nothing, a_body_that_panics_keeps_nothing, a_body_sees_its_own_changes,
            what_was_answered_is_there_after_reopening, the_digest_tells_whether_anything_changed,
            followers_hear_changes_in_order, a_failed_body_announces_nothing, a_closed_store_answers_closed,
            a_panicking_read_harms_nobody, a_read_has_one_view, a_body_may_hold_the_last_handle,
            what_was_accepted_is_carried_out_at_closing);
    };
    ($fixture:expr, $module:ident: $($name:ident),+) => {
        mod $module {
            use super::*;
            $(#[test]
            fn $name() {
                let fixture = $fixture();
                suite::$module::$name(&|| fixture.open());
            })+
        }
    };
}
