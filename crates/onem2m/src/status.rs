//! Response status codes (TS-0004 §6.6).

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::fmt;

/// The class of a response status code: its first digit (TS-0004 §6.6.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum StatusClass {
    /// 1xxx: received, still in progress.
    Informational,
    /// 2xxx: done.
    Success,
    /// 4xxx: the originator's fault.
    OriginatorError,
    /// 5xxx: the receiver's fault.
    ReceiverError,
    /// 6xxx: the fault of a network service.
    NetworkError,
}

/// Writes the enum, the list of all values and the tables from one list of rows.
macro_rules! codes {
    ($($(#[$doc:meta])* $variant:ident = $code:literal, $name:literal;)*) => {
        /// A response status code (TS-0004 §6.6.3). Shown as `4106 ORIGINATOR_NOT_AUTHENTICATED`; serde
        /// writes the number.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum ResponseStatusCode {
            $($(#[$doc])* $variant,)*
        }

        impl ResponseStatusCode {
            /// Every code that is defined, in ascending order.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The number: 1000 to 6031.
            pub const fn code(self) -> u16 {
                match self { $(Self::$variant => $code,)* }
            }

            /// The name in the standard.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// The code with this number, if it is defined.
            pub const fn from_code(code: u16) -> Option<Self> {
                match code { $($code => Some(Self::$variant),)* _ => None }
            }
        }
    };
}

codes! {
    /// Accepted; the result comes later.
    Accepted = 1000, "ACCEPTED";
    /// Accepted; a `<request>` resource will hold the result.
    AcceptedNonBlockingSynch = 1001, "ACCEPTED for nonBlockingRequestSynch";
    /// Accepted; the result will be notified.
    AcceptedNonBlockingAsynch = 1002, "ACCEPTED for nonBlockingRequestAsynch";
    /// Done.
    Ok = 2000, "OK";
    /// Created.
    Created = 2001, "CREATED";
    /// Deleted.
    Deleted = 2002, "DELETED";
    /// Updated.
    Updated = 2004, "UPDATED";
    /// Malformed request, or a rule on its parameters or attributes broken.
    BadRequest = 4000, "BAD_REQUEST";
    /// The release in `rvi` is not supported here.
    ReleaseVersionNotSupported = 4001, "RELEASE_VERSION_NOT_SUPPORTED";
    /// No such resource.
    NotFound = 4004, "NOT_FOUND";
    /// This operation is never allowed on this target.
    OperationNotAllowed = 4005, "OPERATION_NOT_ALLOWED";
    /// A time limit of the request has passed.
    RequestTimeout = 4008, "REQUEST_TIMEOUT";
    /// The serialization of the request is not supported.
    UnsupportedMediaType = 4015, "UNSUPPORTED_MEDIA_TYPE";
    /// The creator of a subscription may not notify its target.
    SubscriptionCreatorHasNoPrivilege = 4101, "SUBSCRIPTION_CREATOR_HAS_NO_PRIVILEGE";
    /// Well formed, but of no use here.
    ContentsUnacceptable = 4102, "CONTENTS_UNACCEPTABLE";
    /// The access decision is no.
    OriginatorHasNoPrivilege = 4103, "ORIGINATOR_HAS_NO_PRIVILEGE";
    /// The same group request came before.
    GroupRequestIdentifierExists = 4104, "GROUP_REQUEST_IDENTIFIER_EXISTS";
    /// The name or key is taken.
    Conflict = 4105, "CONFLICT";
    /// From differs from the identity that the association proved.
    OriginatorNotAuthenticated = 4106, "ORIGINATOR_NOT_AUTHENTICATED";
    /// Needs a security association, or a better credential.
    SecurityAssociationRequired = 4107, "SECURITY_ASSOCIATION_REQUIRED";
    /// The target does not take children of this type.
    InvalidChildResourceType = 4108, "INVALID_CHILD_RESOURCE_TYPE";
    /// The group is empty.
    NoMembers = 4109, "NO_MEMBERS";
    /// The members are not of the type of the group.
    GroupMemberTypeInconsistent = 4110, "GROUP_MEMBER_TYPE_INCONSISTENT";
    /// End-to-end secured primitive: an option is not supported.
    EsprimUnsupportedOption = 4111, "ESPRIM_UNSUPPORTED_OPTION";
    /// End-to-end secured primitive: the key is unknown.
    EsprimUnknownKeyId = 4112, "ESPRIM_UNKNOWN_KEY_ID";
    /// End-to-end secured primitive: the originator's rand object is unknown.
    EsprimUnknownOrigRandId = 4113, "ESPRIM_UNKNOWN_ORIG_RAND_ID";
    /// End-to-end secured primitive: the receiver's rand object is unknown.
    EsprimUnknownRecvRandId = 4114, "ESPRIM_UNKNOWN_RECV_RAND_ID";
    /// End-to-end secured primitive: the integrity check failed.
    EsprimBadMac = 4115, "ESPRIM_BAD_MAC";
    /// End-to-end secured primitive: From is not the owner of the key.
    EsprimImpersonationError = 4116, "ESPRIM_IMPERSONATION_ERROR";
    /// The AE-ID or CSE-ID is registered already.
    OriginatorHasAlreadyRegistered = 4117, "ORIGINATOR_HAS_ALREADY_REGISTERED";
    /// The ontology is not available.
    OntologyNotAvailable = 4118, "ONTOLOGY_NOT_AVAILABLE";
    /// Linked semantic descriptions are not available.
    LinkedSemanticsNotAvailable = 4119, "LINKED_SEMANTICS_NOT_AVAILABLE";
    /// The semantic description is invalid.
    InvalidSemantics = 4120, "INVALID_SEMANTICS";
    /// A member of the mashup is missing.
    MashupMemberNotFound = 4121, "MASHUP_MEMBER_NOT_FOUND";
    /// The purpose of the trigger is invalid.
    InvalidTriggerPurpose = 4122, "INVALID_TRIGGER_PURPOSE";
    /// The transaction cannot go from its state to that one.
    IllegalTransactionStateTransitionAttempted = 4123, "ILLEGAL_TRANSACTION_STATE_TRANSITION_ATTEMPTED";
    /// There is a blocking subscription already.
    BlockingSubscriptionAlreadyExists = 4124, "BLOCKING_SUBSCRIPTION_ALREADY_EXISTS";
    /// The schema of the specialization is missing.
    SpecializationSchemaNotFound = 4125, "SPECIALIZATION_SCHEMA_NOT_FOUND";
    /// No rule of the service subscription allows this application.
    AppRuleValidationFailed = 4126, "APP_RULE_VALIDATION_FAILED";
    /// The entity that had to agree did not.
    OperationDeniedByRemoteEntity = 4127, "OPERATION_DENIED_BY_REMOTE_ENTITY";
    /// The service subscription has no entry for this node.
    ServiceSubscriptionNotEstablished = 4128, "SERVICE_SUBSCRIPTION_NOT_ESTABLISHED";
    /// The SPARQL query is invalid.
    InvalidSparqlQuery = 4143, "INVALID_SPARQL_QUERY";
    /// A fault on the side of the receiver.
    InternalServerError = 5000, "INTERNAL_SERVER_ERROR";
    /// Known to the standard, not to this receiver.
    NotImplemented = 5001, "NOT_IMPLEMENTED";
    /// The next hop or the target cannot be reached.
    TargetNotReachable = 5103, "TARGET_NOT_REACHABLE";
    /// The receiver itself was refused elsewhere.
    ReceiverHasNoPrivilege = 5105, "RECEIVER_HAS_NO_PRIVILEGE";
    /// Exists already.
    AlreadyExists = 5106, "ALREADY_EXISTS";
    /// An entity needed for the request cannot be reached.
    RemoteEntityNotReachable = 5107, "REMOTE_ENTITY_NOT_REACHABLE";
    /// The target takes no subscriptions.
    TargetNotSubscribable = 5203, "TARGET_NOT_SUBSCRIBABLE";
    /// The verification of a notification target failed.
    SubscriptionVerificationInitiationFailed = 5204, "SUBSCRIPTION_VERIFICATION_INITIATION_FAILED";
    /// The host of a subscription may not notify its target.
    SubscriptionHostHasNoPrivilege = 5205, "SUBSCRIPTION_HOST_HAS_NO_PRIVILEGE";
    /// There are no `<request>` resources here.
    NonBlockingSynchRequestNotSupported = 5206, "NON_BLOCKING_SYNCH_REQUEST_NOT_SUPPORTED";
    /// No serialization of the response is acceptable, or the content is larger than allowed.
    NotAcceptable = 5207, "NOT_ACCEPTABLE";
    /// The interworking proxy refuses discovery.
    DiscoveryDeniedByIpe = 5208, "DISCOVERY_DENIED_BY_IPE";
    /// No member of the group answered.
    GroupMembersNotResponded = 5209, "GROUP_MEMBERS_NOT_RESPONDED";
    /// End-to-end secured primitive: decryption failed.
    EsprimDecryptionError = 5210, "ESPRIM_DECRYPTION_ERROR";
    /// End-to-end secured primitive: encryption failed.
    EsprimEncryptionError = 5211, "ESPRIM_ENCRYPTION_ERROR";
    /// The SPARQL update failed.
    SparqlUpdateError = 5212, "SPARQL_UPDATE_ERROR";
    /// The target has no session capability.
    TargetHasNoSessionCapability = 5214, "TARGET_HAS_NO_SESSION_CAPABILITY";
    /// The session is established already.
    SessionIsOnline = 5215, "SESSION_IS_ONLINE";
    /// The multicast group could not be joined.
    JoinMulticastGroupFailed = 5216, "JOIN_MULTICAST_GROUP_FAILED";
    /// The multicast group could not be left.
    LeaveMulticastGroupFailed = 5217, "LEAVE_MULTICAST_GROUP_FAILED";
    /// The recipient does not take triggers.
    TriggeringDisabledForRecipient = 5218, "TRIGGERING_DISABLED_FOR_RECIPIENT";
    /// The pending request can no longer be replaced.
    UnableToReplaceRequest = 5219, "UNABLE_TO_REPLACE_REQUEST";
    /// The forwarded request can no longer be recalled.
    UnableToRecallRequest = 5220, "UNABLE_TO_RECALL_REQUEST";
    /// An operation across resources failed.
    CrossResourceOperationFailure = 5221, "CROSS_RESOURCE_OPERATION_FAILURE";
    /// A transaction holds the resource.
    TransactionProcessingIsIncomplete = 5222, "TRANSACTION_PROCESSING_IS_INCOMPLETE";
    /// An object outside cannot be reached.
    ExternalObjectNotReachable = 6003, "EXTERNAL_OBJECT_NOT_REACHABLE";
    /// An object outside does not exist.
    ExternalObjectNotFound = 6005, "EXTERNAL_OBJECT_NOT_FOUND";
    /// More members than allowed.
    MaxNumberOfMemberExceeded = 6010, "MAX_NUMBER_OF_MEMBER_EXCEEDED";
    /// No management session could be established.
    MgmtSessionCannotBeEstablished = 6020, "MGMT_SESSION_CANNOT_BE_ESTABLISHED";
    /// Establishing the management session took too long.
    MgmtSessionEstablishmentTimeout = 6021, "MGMT_SESSION_ESTABLISHMENT_TIMEOUT";
    /// The type of the management command is invalid.
    InvalidCmdtype = 6022, "INVALID_CMDTYPE";
    /// The arguments of the management command are invalid.
    InvalidArguments = 6023, "INVALID_ARGUMENTS";
    /// Arguments of the management command are missing.
    InsufficientArguments = 6024, "INSUFFICIENT_ARGUMENTS";
    /// The management command could not be converted.
    MgmtConversionError = 6025, "MGMT_CONVERSION_ERROR";
    /// The management command could not be cancelled.
    MgmtCancellationFailed = 6026, "MGMT_CANCELLATION_FAILED";
    /// The management command has ended already.
    AlreadyComplete = 6028, "ALREADY_COMPLETE";
    /// The management command cannot be cancelled.
    MgmtCommandNotCancellable = 6029, "MGMT_COMMAND_NOT_CANCELLABLE";
    /// An object outside was not reached before the request expired.
    ExternalObjectNotReachableBeforeRqetTimeout = 6030, "EXTERNAL_OBJECT_NOT_REACHABLE_BEFORE_RQET_TIMEOUT";
    /// An object outside was not reached before the execution time.
    ExternalObjectNotReachableBeforeOetTimeout = 6031, "EXTERNAL_OBJECT_NOT_REACHABLE_BEFORE_OET_TIMEOUT";
}

impl ResponseStatusCode {
    /// The class, which is the first digit.
    pub const fn class(self) -> StatusClass {
        match self.code() / 1000 {
            1 => StatusClass::Informational,
            2 => StatusClass::Success,
            4 => StatusClass::OriginatorError,
            5 => StatusClass::ReceiverError,
            _ => StatusClass::NetworkError,
        }
    }

    /// Whether the request was carried out or accepted: classes 1 and 2.
    pub const fn is_success(self) -> bool {
        matches!(self.class(), StatusClass::Informational | StatusClass::Success)
    }
}

impl fmt::Display for ResponseStatusCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.code(), self.name())
    }
}

impl Serialize for ResponseStatusCode {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u16(self.code())
    }
}

impl<'de> Deserialize<'de> for ResponseStatusCode {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let code = u16::deserialize(deserializer)?;
        Self::from_code(code)
            .ok_or_else(|| de::Error::custom(format_args!("{code} is no response status code")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Codes, names and classes as printed in TS-0004 tables 6.6.3.2-1 to 6.6.3.7-1.
    const PRINTED: &str = include_str!("../tests/data/status_codes.txt");

    #[test]
    fn all_codes_of_the_standard_and_no_other() {
        let ours: Vec<String> = ResponseStatusCode::ALL.iter().map(ToString::to_string).collect();
        let printed: Vec<&str> = PRINTED.lines().collect();
        assert_eq!(ours, printed);
    }

    #[test]
    fn numbers_and_codes_are_one_to_one() {
        let defined = (0..=u16::MAX).filter_map(ResponseStatusCode::from_code).collect::<Vec<_>>();
        assert_eq!(defined, ResponseStatusCode::ALL);
        for code in defined {
            assert_eq!(ResponseStatusCode::from_code(code.code()), Some(code));
        }
    }

    #[test]
    fn classes() {
        for code in ResponseStatusCode::ALL {
            let class = match code.to_string().as_bytes()[0] {
                b'1' => StatusClass::Informational,
                b'2' => StatusClass::Success,
                b'4' => StatusClass::OriginatorError,
                b'5' => StatusClass::ReceiverError,
                b'6' => StatusClass::NetworkError,
                other => panic!("class {other}"),
            };
            assert_eq!(code.class(), class);
            assert_eq!(code.is_success(), code.code() < 3000);
        }
    }

    #[test]
    fn json_is_the_number() {
        assert_eq!(serde_json::to_string(&ResponseStatusCode::Created).unwrap(), "2001");
        assert_eq!(
            serde_json::from_str::<ResponseStatusCode>("4106").unwrap().to_string(),
            "4106 ORIGINATOR_NOT_AUTHENTICATED"
        );
        for bad in ["0", "200", "4129", "70000", "-1", "\"2000\"", "2000.0"] {
            assert!(serde_json::from_str::<ResponseStatusCode>(bad).is_err(), "{bad}");
        }
    }
}
