//! Resource types.

use std::fmt;

/// Writes the enum and its tables from one list of rows: number, name, member name.
macro_rules! types {
    ($($variant:ident = $code:literal, $name:literal, $element:literal;)*) => {
        /// A resource type of the standard (TS-0004 §6.3.4.2.1). Which of them an entity implements is its
        /// own business.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum ResourceType {
            $(#[doc = concat!("`<", $name, ">`, ", $element, ".")] $variant,)*
        }

        impl ResourceType {
            /// Every type, in ascending order of the numbers.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The number: the value of `ty`.
            pub const fn code(self) -> u32 {
                match self { $(Self::$variant => $code,)* }
            }

            /// The type with this number; `None` when the standard defines none.
            pub const fn from_code(code: u32) -> Option<Self> {
                match code { $($code => Some(Self::$variant),)* _ => None }
            }

            /// The long name, such as `contentInstance`.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// The name of the member that holds such a resource, such as `m2m:cin` (TS-0004 §8.4.2).
            pub const fn element_name(self) -> &'static str {
                match self { $(Self::$variant => $element,)* }
            }

            /// The type whose resources are held in the member `name`, such as `m2m:cin`.
            pub fn from_element_name(name: &str) -> Option<Self> {
                match name { $($element => Some(Self::$variant),)* _ => None }
            }
        }
    };
}

// `mgmtObj` and `flexContainer` are always used through a specialization with a name of its own, and TS-0004
// §8.2.4 gives the types themselves no short name. The names here are those that deployed CSEs use.
types! {
    AccessControlPolicy = 1, "accessControlPolicy", "m2m:acp";
    Ae = 2, "AE", "m2m:ae";
    Container = 3, "container", "m2m:cnt";
    ContentInstance = 4, "contentInstance", "m2m:cin";
    CseBase = 5, "CSEBase", "m2m:cb";
    Delivery = 6, "delivery", "m2m:dlv";
    EventConfig = 7, "eventConfig", "m2m:evcg";
    ExecInstance = 8, "execInstance", "m2m:exin";
    Group = 9, "group", "m2m:grp";
    LocationPolicy = 10, "locationPolicy", "m2m:lcp";
    M2mServiceSubscriptionProfile = 11, "m2mServiceSubscriptionProfile", "m2m:mssp";
    MgmtCmd = 12, "mgmtCmd", "m2m:mgc";
    MgmtObj = 13, "mgmtObj", "m2m:mgo";
    Node = 14, "node", "m2m:nod";
    PollingChannel = 15, "pollingChannel", "m2m:pch";
    RemoteCse = 16, "remoteCSE", "m2m:csr";
    Request = 17, "request", "m2m:req";
    Schedule = 18, "schedule", "m2m:sch";
    ServiceSubscribedAppRule = 19, "serviceSubscribedAppRule", "m2m:asar";
    ServiceSubscribedNode = 20, "serviceSubscribedNode", "m2m:svsn";
    StatsCollect = 21, "statsCollect", "m2m:stcl";
    StatsConfig = 22, "statsConfig", "m2m:stcg";
    Subscription = 23, "subscription", "m2m:sub";
    SemanticDescriptor = 24, "semanticDescriptor", "m2m:smd";
    NotificationTargetMgmtPolicyRef = 25, "notificationTargetMgmtPolicyRef", "m2m:ntpr";
    NotificationTargetPolicy = 26, "notificationTargetPolicy", "m2m:ntp";
    PolicyDeletionRules = 27, "policyDeletionRules", "m2m:pdr";
    FlexContainer = 28, "flexContainer", "m2m:fcnt";
    TimeSeries = 29, "timeSeries", "m2m:ts";
    TimeSeriesInstance = 30, "timeSeriesInstance", "m2m:tsi";
    Role = 31, "role", "m2m:rol";
    Token = 32, "token", "m2m:tk";
    DynamicAuthorizationConsultation = 34, "dynamicAuthorizationConsultation", "m2m:dac";
    AuthorizationDecision = 35, "authorizationDecision", "m2m:auds";
    AuthorizationPolicy = 36, "authorizationPolicy", "m2m:aupy";
    AuthorizationInformation = 37, "authorizationInformation", "m2m:auif";
    OntologyRepository = 38, "ontologyRepository", "m2m:ontr";
    Ontology = 39, "ontology", "m2m:ont";
    SemanticMashupJobProfile = 40, "semanticMashupJobProfile", "m2m:smjp";
    SemanticMashupInstance = 41, "semanticMashupInstance", "m2m:smi";
    SemanticMashupResult = 42, "semanticMashupResult", "m2m:smr";
    AeContactList = 43, "AEContactList", "m2m:alst";
    AeContactListPerCse = 44, "AEContactListPerCSE", "m2m:alpc";
    LocalMulticastGroup = 45, "localMulticastGroup", "m2m:lmg";
    MultimediaSession = 46, "multimediaSession", "m2m:mms";
    TriggerRequest = 47, "triggerRequest", "m2m:tgr";
    CrossResourceSubscription = 48, "crossResourceSubscription", "m2m:crs";
    BackgroundDataTransfer = 49, "backgroundDataTransfer", "m2m:bdt";
    TransactionMgmt = 50, "transactionMgmt", "m2m:tram";
    Transaction = 51, "transaction", "m2m:trac";
    AccessControlPolicyAnnc = 10001, "accessControlPolicyAnnc", "m2m:acpA";
    AeAnnc = 10002, "AEAnnc", "m2m:aeA";
    ContainerAnnc = 10003, "containerAnnc", "m2m:cntA";
    ContentInstanceAnnc = 10004, "contentInstanceAnnc", "m2m:cinA";
    CseBaseAnnc = 10005, "CSEBaseAnnc", "m2m:cbA";
    GroupAnnc = 10009, "groupAnnc", "m2m:grpA";
    LocationPolicyAnnc = 10010, "locationPolicyAnnc", "m2m:lcpA";
    MgmtObjAnnc = 10013, "mgmtObjAnnc", "m2m:mgoA";
    NodeAnnc = 10014, "nodeAnnc", "m2m:nodA";
    RemoteCseAnnc = 10016, "remoteCSEAnnc", "m2m:csrA";
    ScheduleAnnc = 10018, "scheduleAnnc", "m2m:schA";
    SemanticDescriptorAnnc = 10024, "semanticDescriptorAnnc", "m2m:smdA";
    FlexContainerAnnc = 10028, "flexContainerAnnc", "m2m:fcntA";
    TimeSeriesAnnc = 10029, "timeSeriesAnnc", "m2m:tsA";
    TimeSeriesInstanceAnnc = 10030, "timeSeriesInstanceAnnc", "m2m:tsiA";
    OntologyRepositoryAnnc = 10038, "ontologyRepositoryAnnc", "m2m:ontrA";
    OntologyAnnc = 10039, "ontologyAnnc", "m2m:ontA";
    SemanticMashupJobProfileAnnc = 10040, "semanticMashupJobProfileAnnc", "m2m:smjpA";
    SemanticMashupInstanceAnnc = 10041, "semanticMashupInstanceAnnc", "m2m:smiA";
    SemanticMashupResultAnnc = 10042, "semanticMashupResultAnnc", "m2m:smrA";
    MultimediaSessionAnnc = 10046, "multimediaSessionAnnc", "m2m:mmsA";
}

/// From here on types are announced variants: the number of the original plus this.
const ANNOUNCED: u32 = 10_000;

impl ResourceType {
    /// The short name, such as `cin` (TS-0004 §8.2.4).
    pub fn short_name(self) -> &'static str {
        let element = self.element_name();
        element.split_once(':').map_or(element, |(_, short)| short)
    }

    /// Whether only an IN-CSE may host such resources (TS-0004 §6.3.4.2.1).
    pub const fn is_infrastructure_only(self) -> bool {
        matches!(
            self,
            Self::EventConfig
                | Self::M2mServiceSubscriptionProfile
                | Self::ServiceSubscribedAppRule
                | Self::ServiceSubscribedNode
                | Self::StatsCollect
                | Self::StatsConfig
                | Self::AeContactList
                | Self::AeContactListPerCse
                | Self::TriggerRequest
        )
    }

    /// Whether it is the announced variant of another type.
    pub const fn is_announced(self) -> bool {
        self.code() > ANNOUNCED
    }

    /// The announced variant; `None` for a type that is not announceable or is such a variant itself.
    pub const fn announced(self) -> Option<Self> {
        Self::from_code(self.code() + ANNOUNCED)
    }
}

/// The long name.
impl fmt::Display for ResourceType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn tables_agree() {
        let defined: Vec<_> = (0..20_000).filter_map(ResourceType::from_code).collect();
        assert_eq!(defined, ResourceType::ALL);
        let names: HashSet<_> = defined.iter().flat_map(|ty| [ty.name(), ty.element_name()]).collect();
        assert_eq!(names.len(), 2 * defined.len());
        for ty in defined {
            assert_eq!(ResourceType::from_code(ty.code()), Some(ty));
            assert_eq!(ResourceType::from_element_name(ty.element_name()), Some(ty));
            assert_eq!(format!("m2m:{}", ty.short_name()), ty.element_name());
            assert_eq!(ty.is_announced(), ty.name().ends_with("Annc"));
            if let Some(announced) = ty.announced() {
                assert_eq!(announced.short_name(), format!("{}A", ty.short_name()));
            }
        }
    }

    /// The types that registration and access control deal with.
    #[test]
    fn known_types() {
        use ResourceType as T;
        for (ty, code, short) in [
            (T::AccessControlPolicy, 1, "acp"),
            (T::Ae, 2, "ae"),
            (T::Container, 3, "cnt"),
            (T::ContentInstance, 4, "cin"),
            (T::CseBase, 5, "cb"),
            (T::Group, 9, "grp"),
            (T::M2mServiceSubscriptionProfile, 11, "mssp"),
            (T::Node, 14, "nod"),
            (T::PollingChannel, 15, "pch"),
            (T::RemoteCse, 16, "csr"),
            (T::Request, 17, "req"),
            (T::ServiceSubscribedAppRule, 19, "asar"),
            (T::ServiceSubscribedNode, 20, "svsn"),
            (T::Subscription, 23, "sub"),
            (T::Role, 31, "rol"),
            (T::Token, 32, "tk"),
            (T::DynamicAuthorizationConsultation, 34, "dac"),
            (T::AccessControlPolicyAnnc, 10001, "acpA"),
            (T::AeAnnc, 10002, "aeA"),
        ] {
            assert_eq!((ty.code(), ty.short_name()), (code, short));
        }
        for void in [0, 33, 52, 10_000, 10_006, 10_033, u32::MAX] {
            assert_eq!(T::from_code(void), None);
        }
        let only: Vec<_> =
            T::ALL.iter().filter(|ty| ty.is_infrastructure_only()).map(|ty| ty.code()).collect();
        assert_eq!(only, [7, 11, 19, 20, 21, 22, 43, 44, 47]);
    }
}
