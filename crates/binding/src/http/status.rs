//! Status codes.

use onem2m::status::ResponseStatusCode;

/// The HTTP status that goes with a response status code (TS-0009 table 6.3.2-1). The HTTP status alone does
/// not determine the code; the header X-M2M-RSC does.
///
/// 4128 `SERVICE_SUBSCRIPTION_NOT_ESTABLISHED` is missing from the table and gets 403, as the other refusals
/// of a registration do.
pub const fn http_status(rsc: ResponseStatusCode) -> u16 {
    use ResponseStatusCode as R;
    match rsc {
        R::Ok | R::Deleted | R::Updated => 200,
        R::Created => 201,
        R::Accepted | R::AcceptedNonBlockingSynch | R::AcceptedNonBlockingAsynch => 202,
        R::BadRequest
        | R::ContentsUnacceptable
        | R::GroupMemberTypeInconsistent
        | R::InvalidSemantics
        | R::InvalidTriggerPurpose
        | R::IllegalTransactionStateTransitionAttempted
        | R::InvalidSparqlQuery
        | R::MaxNumberOfMemberExceeded
        | R::InvalidCmdtype
        | R::InvalidArguments
        | R::InsufficientArguments => 400,
        R::SubscriptionCreatorHasNoPrivilege
        | R::OriginatorHasNoPrivilege
        | R::ReceiverHasNoPrivilege
        | R::TargetNotSubscribable
        | R::SubscriptionHostHasNoPrivilege
        | R::OriginatorNotAuthenticated
        | R::SecurityAssociationRequired
        | R::InvalidChildResourceType
        | R::NoMembers
        | R::EsprimUnsupportedOption
        | R::EsprimUnknownKeyId
        | R::EsprimUnknownOrigRandId
        | R::EsprimUnknownRecvRandId
        | R::EsprimBadMac
        | R::EsprimImpersonationError
        | R::OriginatorHasAlreadyRegistered
        | R::AppRuleValidationFailed
        | R::OperationDeniedByRemoteEntity
        | R::ServiceSubscriptionNotEstablished
        | R::DiscoveryDeniedByIpe
        | R::TargetHasNoSessionCapability
        | R::SessionIsOnline
        | R::TriggeringDisabledForRecipient
        | R::TransactionProcessingIsIncomplete => 403,
        R::NotFound
        | R::OntologyNotAvailable
        | R::LinkedSemanticsNotAvailable
        | R::MashupMemberNotFound
        | R::TargetNotReachable
        | R::RemoteEntityNotReachable
        | R::ExternalObjectNotReachable
        | R::ExternalObjectNotFound => 404,
        R::OperationNotAllowed => 405,
        R::NotAcceptable => 406,
        R::GroupRequestIdentifierExists
        | R::Conflict
        | R::BlockingSubscriptionAlreadyExists
        | R::AlreadyExists
        | R::UnableToReplaceRequest
        | R::UnableToRecallRequest
        | R::AlreadyComplete
        | R::MgmtCommandNotCancellable => 409,
        R::UnsupportedMediaType => 415,
        R::InternalServerError
        | R::SubscriptionVerificationInitiationFailed
        | R::GroupMembersNotResponded
        | R::EsprimDecryptionError
        | R::EsprimEncryptionError
        | R::SparqlUpdateError
        | R::JoinMulticastGroupFailed
        | R::LeaveMulticastGroupFailed
        | R::CrossResourceOperationFailure
        | R::MgmtSessionCannotBeEstablished
        | R::MgmtSessionEstablishmentTimeout
        | R::MgmtConversionError
        | R::MgmtCancellationFailed => 500,
        R::ReleaseVersionNotSupported
        | R::SpecializationSchemaNotFound
        | R::NotImplemented
        | R::NonBlockingSynchRequestNotSupported => 501,
        R::RequestTimeout
        | R::ExternalObjectNotReachableBeforeRqetTimeout
        | R::ExternalObjectNotReachableBeforeOetTimeout => 504,
    }
}

/// The response status code that an HTTP status alone suggests: the most general one of its row.
pub(super) const fn rsc_of_status(status: u16) -> Option<ResponseStatusCode> {
    use ResponseStatusCode as R;
    Some(match status {
        200 => R::Ok,
        201 => R::Created,
        202 => R::Accepted,
        400 => R::BadRequest,
        403 => R::OriginatorHasNoPrivilege,
        404 => R::NotFound,
        405 => R::OperationNotAllowed,
        406 => R::NotAcceptable,
        409 => R::Conflict,
        415 => R::UnsupportedMediaType,
        500 => R::InternalServerError,
        501 => R::NotImplemented,
        504 => R::RequestTimeout,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows of TS-0009 table 6.3.2-1 in its own order: response status code, HTTP status.
    const PRINTED: &str = include_str!("../../tests/data/http_status.txt");

    #[test]
    fn the_table_of_the_standard() {
        let mut printed = Vec::new();
        for row in PRINTED.lines() {
            let (rsc, status) = row.split_once(' ').unwrap();
            let rsc = ResponseStatusCode::from_code(rsc.parse().unwrap()).unwrap();
            assert_eq!(http_status(rsc), status.parse::<u16>().unwrap(), "{rsc}");
            printed.push(rsc);
        }
        let missing: Vec<_> = ResponseStatusCode::ALL.iter().filter(|rsc| !printed.contains(rsc)).collect();
        assert_eq!(missing, [&ResponseStatusCode::ServiceSubscriptionNotEstablished]);
        assert_eq!(http_status(*missing[0]), 403);
    }

    #[test]
    fn a_suggested_code_has_that_status() {
        for status in 0..=999 {
            if let Some(rsc) = rsc_of_status(status) {
                assert_eq!(http_status(rsc), status);
            }
        }
        for rsc in ResponseStatusCode::ALL {
            assert!(rsc_of_status(http_status(*rsc)).is_some(), "{rsc}");
        }
    }
}
