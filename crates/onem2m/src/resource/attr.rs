//! Short names of attributes (TS-0004 §8.2.3), and of the members of structured attributes that access
//! control needs (TS-0004 §8.2.5).

/// Writes a constant for each row, and the table.
macro_rules! names {
    ($(#[$doc:meta])* $table:ident: $($constant:ident = $short:literal, $long:literal;)*) => {
        $(#[doc = concat!("`", $long, "`.")] pub const $constant: &str = $short;)*

        $(#[$doc])*
        pub const $table: &[(&str, &str)] = &[$(($short, $long),)*];
    };
}

names! {
    /// Every resource attribute: short name, long name; sorted by short name.
    ATTRIBUTES:
    AA = "aa", "announcedAttribute";
    AAE = "aae", "allowedAEs";
    AAI = "aai", "allowedApp-IDs";
    ACMLK = "acmlk", "activeCmdhPolicyLink";
    ACN = "acn", "action";
    ACPI = "acpi", "accessControlPolicyIDs";
    ACRS = "acrs", "associatedCrossResourceSub";
    ACT = "act", "activate";
    ACTS = "acts", "activeStatus";
    ADRI = "adri", "authorizationDecisionResourceIDs";
    AEC = "aec", "applicableEventCategory";
    AECS = "aecs", "applicableEventCategories";
    AEI = "aei", "AE-ID";
    AID = "aid", "authID";
    AIL = "ail", "AE-IDList";
    AIRI = "airi", "authorizationInformationResourceIDs";
    AJIR = "ajir", "interfaceIntrospectXmlRef";
    AJOP = "ajop", "objectPath";
    ANT = "ant", "areaNwkType";
    APCI = "apci", "applicableCredIDs";
    APE = "ape", "activityPatternElements";
    API = "api", "App-ID";
    APN = "apn", "appName";
    APRI = "apri", "authorizationPolicyResourceIDs";
    ARI = "ari", "allowedRole-IDs";
    ARQ = "arq", "aggregatedRequest";
    ASD = "asd", "acceptedSessionDescriptions";
    AT = "at", "announceTo";
    ATT = "att", "attached";
    AWI = "awi", "areaNwkId";
    BN = "bn", "batchNotify";
    BOP = "bop", "backOffParameters";
    BTL = "btl", "batteryLevel";
    BTS = "bts", "batteryStatus";
    CA = "ca", "combiningAlgorithm";
    CAN = "can", "capabilityName";
    CAS = "cas", "capabilityActionStatus";
    CB = "cb", "CSEBase";
    CBS = "cbs", "currentByteSize";
    CDI = "cdi", "collectedEntityID";
    CEI = "cei", "collectingEntityID";
    CLST = "clst", "callStatus";
    CMLK = "cmlk", "mgmtLink";
    CMT = "cmt", "cmdType";
    CND = "cnd", "containerDefinition";
    CNF = "cnf", "contentInfo";
    CNI = "cni", "currentNrOfInstances";
    CNM = "cnm", "currentNrOfMembers";
    CNTY = "cnty", "country";
    CON = "con", "content";
    CONR = "conr", "contentRef";
    CP = "cp", "collectPeriod";
    CPN = "cpn", "cmdhPolicyName";
    CR = "cr", "creator";
    CRV = "crv", "currentValue";
    CS = "cs", "contentSize";
    CSI = "csi", "CSE-ID";
    CST = "cst", "cseType";
    CSY = "csy", "consistencyStrategy";
    CSZ = "csz", "contentSerialization";
    CT = "ct", "creationTime";
    CUS = "cus", "currentState";
    DACI = "daci", "dynamicAuthorizationConsultationIDs";
    DAE = "dae", "dynamicAuthorizationEnabled";
    DAL = "dal", "dynamicAuthorizationLifetime";
    DAP = "dap", "dynamicAuthorizationPoA";
    DC = "dc", "description";
    DCRP = "dcrp", "descriptorRepresentation";
    DCSE = "dcse", "descendantCSEs";
    DDA = "dda", "defaultDelAggregation";
    DEA = "dea", "deactivate";
    DEC = "dec", "decision";
    DEV = "dev", "defEcValue";
    DGT = "dgt", "dataGenerationTime";
    DI = "di", "deviceIdentifier";
    DIR = "dir", "direction";
    DIS = "dis", "disable";
    DISR = "disr", "disableRetrieval";
    DLB = "dlb", "deviceLabel";
    DMD = "dmd", "deliveryMetaData";
    DOET = "doet", "defaultOpExecTime";
    DQET = "dqet", "defaultRequestExpTime";
    DR = "dr", "deletionRules";
    DRP = "drp", "defaultRespPersistence";
    DRR = "drr", "deletionRulesRelation";
    DS = "ds", "dataSize";
    DSET = "dset", "defaultResultExpTime";
    DSP = "dsp", "descriptor";
    DTW = "dtw", "desiredTimeWindow";
    DTY = "dty", "deviceType";
    DVD = "dvd", "devId";
    DVNM = "dvnm", "deviceName";
    DVT = "dvt", "devType";
    EC = "ec", "eventCat";
    EGID = "egid", "externalGroupID";
    ENA = "ena", "enable";
    ENC = "enc", "eventNotificationCriteria";
    ENCS = "encs", "eventNotificationCriteriaSet";
    ERIS = "eris", "eventResourceIDs";
    ERTS = "erts", "eventResourceTypes";
    ESI = "esi", "e2eSecInfo";
    ET = "et", "expirationTime";
    EVE = "eve", "eventEnd";
    EVI = "evi", "eventID";
    EVS = "evs", "evenStart";
    EVT = "evt", "eventType";
    EXC = "exc", "expirationCounter";
    EXD = "exd", "execDisable";
    EXE = "exe", "execEnable";
    EXF = "exf", "execFrequency";
    EXM = "exm", "execMode";
    EXN = "exn", "execNumber";
    EXR = "exr", "execResult";
    EXRA = "exra", "execReqArgs";
    EXS = "exs", "execStatus";
    EXT = "ext", "execTarget";
    EXY = "exy", "execDelay";
    FAR = "far", "factoryReset";
    FR = "fr", "from";
    FU = "fu", "filterUsage";
    FUCD = "fucd", "functionDescriptor";
    FWN = "fwn", "firmwareName";
    FWV = "fwv", "fwVersion";
    GEC = "gec", "geofenceEventCriteria";
    GGI = "ggi", "geographicInformation";
    GLI = "gli", "groupLink";
    GN = "gn", "groupName";
    GPI = "gpi", "groupID";
    GTA = "gta", "geographicalTargetArea";
    HAEL = "hael", "hostedAELinks";
    HCL = "hcl", "hostedCSELink";
    HSL = "hsl", "hostedServiceLinks";
    HWV = "hwv", "hwVersion";
    IN = "in", "install";
    INP = "inp", "input";
    INS = "ins", "installStatus";
    IPTD = "iptd", "inputDescriptor";
    JPIN = "jpin", "smjpInputParameter";
    LBL = "lbl", "labels";
    LDA = "lda", "limitsDelAggregation";
    LDV = "ldv", "listOfDevices";
    LEC = "lec", "limitsEventCategory";
    LGA = "lga", "logStart";
    LGD = "lgd", "logData";
    LGO = "lgo", "logStop";
    LGST = "lgst", "logStatus";
    LGT = "lgt", "logTypeId";
    LI = "li", "locationID";
    LIT = "lit", "locationInformationType";
    LN = "ln", "latestNotify";
    LNH = "lnh", "listOfNeighbors";
    LNK = "lnk", "link";
    LOC = "loc", "location";
    LOET = "loet", "limitsOpExecTime";
    LOI = "loi", "locationContainerID";
    LON = "lon", "locationContainerName";
    LOR = "lor", "locationServer";
    LOS = "los", "locationSource";
    LOST = "lost", "locationStatus";
    LOT = "lot", "locationTargetID";
    LOU = "lou", "locationUpdatePeriod";
    LQET = "lqet", "limitsRequestExpTime";
    LRP = "lrp", "limitsRespPersistence";
    LS = "ls", "lifespan";
    LSET = "lset", "limitsResultExpTime";
    LT = "lt", "lastModifiedTime";
    LUEC = "luec", "locationUpdateEventCriteria";
    MACP = "macp", "membersAccessControlPolicyIDs";
    MAD = "mad", "multicastAddress";
    MAN = "man", "manufacturer";
    MBFS = "mbfs", "maxBufferSize";
    MBFT = "mbft", "memberFilter";
    MBS = "mbs", "maxByteSize";
    MDC = "mdc", "missingDataCurrentNr";
    MDD = "mdd", "missingDataDetect";
    MDLT = "mdlt", "missingDataList";
    MDN = "mdn", "missingDataMaxNr";
    MDT = "mdt", "missingDataDetectTimer";
    MEI = "mei", "M2M-Ext-ID";
    MFD = "mfd", "manufacturingDate";
    MFDL = "mfdl", "manufacturerDetailsLink";
    MGCA = "mgca", "mgmtClientAddress";
    MGD = "mgd", "mgmtDefinition";
    MGFT = "mgft", "multicastGroupFanoutTarget";
    MGS = "mgs", "mgmtSchema";
    MI = "mi", "metaInformation";
    MIA = "mia", "maxInstanceAge";
    MID = "mid", "memberIDs";
    MIID = "miid", "smiID";
    MJID = "mjid", "smjpID";
    MLI = "mli", "memberList";
    MMA = "mma", "memAvailable";
    MMT = "mmt", "memTotal";
    MNI = "mni", "maxNrOfInstances";
    MNM = "mnm", "maxNrOfMembers";
    MOD = "mod", "model";
    MRF = "mrf", "mashupResultFormat";
    MRT = "mrt", "mashupResult";
    MRV = "mrv", "minReqVolume";
    MSM = "msm", "mashupMember";
    MST = "mst", "memberStoreType";
    MT = "mt", "memberType";
    MTCC = "mtcc", "multicastCapability";
    MTV = "mtv", "memberTypeValidated";
    NAR = "nar", "notifyAggregation";
    NCO = "nco", "networkCoordinated";
    NCP = "ncp", "notificationCongestionPolicy";
    NCT = "nct", "notificationContentType";
    NEC = "nec", "notificationEventCat";
    NFU = "nfu", "notificationForwardingURI";
    NI = "ni", "nodeID";
    NIC = "nic", "numberImpactedCSEs";
    NID = "nid", "networkID";
    NL = "nl", "nodeLink";
    NON = "non", "numberOfNodes";
    NPI = "npi", "notificationPolicyID";
    NRQ = "nrq", "niddRequired";
    NSP = "nsp", "notificationStoragePriority";
    NTU = "ntu", "notificationTargetURI";
    NU = "nu", "notificationURI";
    OBIS = "obis", "objectIDs";
    OBPS = "obps", "objectPaths";
    OD = "od", "order";
    OHC = "ohc", "otherConditions";
    OIP = "oip", "originatorIP";
    OLO = "olo", "originatorLocation";
    ONTC = "ontc", "ontologyContent";
    ONTF = "ontf", "ontologyFormat";
    OP = "op", "operation";
    OPT = "opt", "operationType";
    OR = "or", "ontologyRef";
    ORG = "org", "originator";
    ORS = "ors", "operationResult";
    OSD = "osd", "offeredSessionDescriptions";
    OSV = "osv", "osVersion";
    OUT = "out", "output";
    PC = "pc", "primitiveContent";
    PEI = "pei", "periodicInterval";
    PEID = "peid", "periodicIntervalDelta";
    PI = "pi", "parentID";
    PLBL = "plbl", "policyLabel";
    PN = "pn", "pendingNotification";
    POA = "poa", "pointOfAccess";
    PRG = "prg", "periodForResultGen";
    PS = "ps", "policies";
    PSN = "psn", "preSubscriptionNotify";
    PTL = "ptl", "protocol";
    PURL = "purl", "presentationURL";
    PV = "pv", "privileges";
    PVS = "pvs", "selfPrivileges";
    RBO = "rbo", "reboot";
    RCH = "rch", "requestCharacteristics";
    RCT = "rct", "requestContext";
    RCTN = "rctn", "requestContextNotification";
    REGS = "regs", "registrationStatus";
    RELS = "rels", "relatedSemantics";
    RGT = "rgt", "resultGenType";
    RI = "ri", "resourceID";
    RID = "rid", "requestID";
    RIDS = "rids", "roleIDs";
    RL = "rl", "rateLimit";
    RLID = "rlid", "roleID";
    RLK = "rlk", "ruleLinks";
    RLKL = "rlkl", "retrieveLastKnownLocation";
    RLNM = "rlnm", "roleName";
    RLTL = "rltl", "tokenLink";
    RMS = "rms", "roamingStatus";
    RN = "rn", "resourceName";
    ROR = "ror", "requestOrigin";
    RQPS = "rqps", "requestPrimitives";
    RQV = "rqv", "requestedValue";
    RR = "rr", "requestReachability";
    RRAT = "rrat", "regularResourcesAsTarget";
    RRATS = "rrats", "regularResourcesAsTargetSubscriptions";
    RRS = "rrs", "rulesRelationship";
    RRT = "rrt", "requestedResourceType";
    RS = "rs", "requestStatus";
    RSPS = "rsps", "responsePrimitives";
    RSTT = "rstt", "responseTarget";
    RSTW = "rstw", "responseTimeWindow";
    RTM = "rtm", "requestTime";
    SCI = "sci", "statsCollectID";
    SCP = "scp", "sessionCapabilities";
    SE = "se", "scheduleElement";
    SGP = "sgp", "storagePriority";
    SLD = "sld", "sleepDuration";
    SLI = "sli", "sleepInterval";
    SM = "sm", "statModel";
    SMOD = "smod", "subModel";
    SNR = "snr", "sequenceNr";
    SOE = "soe", "semanticOpExec";
    SOI = "soi", "sessionOriginatorID";
    SPTY = "spty", "specializationType";
    SPUR = "spur", "supportURL";
    SR = "sr", "source";
    SRAT = "srat", "subscriptionResourcesAsTarget";
    SRS = "srs", "statsRuleStatus";
    SRT = "srt", "supportedResourceType";
    SRV = "srv", "supportedReleaseVersions";
    SS = "ss", "devStatus";
    SSI = "ssi", "semanticSupportIndicator";
    SST = "sst", "sessionState";
    ST = "st", "stateTag";
    SU = "su", "subscriberURI";
    SUS = "sus", "status";
    SVD = "svd", "semanticValidated";
    SWN = "swn", "softwareName";
    SWT = "swt", "spreadingWaitTime";
    SWV = "swv", "swVersion";
    SYST = "syst", "systemTime";
    TCT = "tct", "transactionCommitTime";
    TCTL = "tctl", "transactionControl";
    TEPT = "tept", "transactionExpirationTime";
    TEXT = "text", "transactionExecuteTime";
    TG = "tg", "target";
    TIA = "tia", "triggerInfoAddress";
    TIAE = "tiae", "triggerInfoAE-ID";
    TID = "tid", "transactionID";
    TIDS = "tids", "tokenIDs";
    TIO = "tio", "triggerInfoOperation";
    TIRT = "tirt", "targetedResourceType";
    TKAU = "tkau", "audience";
    TKEX = "tkex", "extension";
    TKHD = "tkhd", "holder";
    TKID = "tkid", "tokenID";
    TKIS = "tkis", "issuer";
    TKNA = "tkna", "notAfter";
    TKNB = "tknb", "notBefore";
    TKNM = "tknm", "tokenName";
    TKNS = "tkns", "tokens";
    TKOB = "tkob", "tokenObject";
    TKPS = "tkps", "permissions";
    TLTM = "tltm", "transactionLockTime";
    TLTP = "tltp", "transactionLockType";
    TMD = "tmd", "transactionMode";
    TMGI = "tmgi", "TMGI";
    TMH = "tmh", "transactionMgmtHandling";
    TMR = "tmr", "transactionMaxRetries";
    TO = "to", "to";
    TPE = "tpe", "triggerPurpose";
    TREN = "tren", "triggerEnable";
    TRF = "trf", "triggerReference";
    TRI = "tri", "Trigger-Recipient-ID";
    TRN = "trn", "triggerReferenceNumber";
    TRPS = "trps", "trackRegistrationPoints";
    TRST = "trst", "transactionState";
    TSG = "tsg", "transferSelectionGuidance";
    TST = "tst", "triggerStatus";
    TTN = "ttn", "targetNetwork";
    TVT = "tvt", "triggerValidityTime";
    TWS = "tws", "timeWindowSize";
    TWT = "twt", "timeWindowType";
    TY = "ty", "resourceType";
    UD = "ud", "update";
    UDS = "uds", "updateStatus";
    UN = "un", "uninstall";
    UPTD = "uptd", "outputDescriptor";
    URL = "url", "URL";
    VLDE = "vlde", "validationEnable";
    VPN = "vpn", "volumePerNode";
    VR = "vr", "version";
}

names! {
    /// Members of structured attributes: short name, long name.
    MEMBERS:
    ACR = "acr", "accessControlRule";
    ACOR = "acor", "accessControlOriginators";
    ACOP = "acop", "accessControlOperations";
    ACCO = "acco", "accessControlContexts";
    ACTW = "actw", "accessControlWindow";
    ACIP = "acip", "accessControlIpAddresses";
    IPV4 = "ipv4", "ipv4Addresses";
    IPV6 = "ipv6", "ipv6Addresses";
    ACLR = "aclr", "accessControlLocationRegion";
    ACCC = "accc", "countryCode";
    ACCR = "accr", "circRegion";
    ACAF = "acaf", "accessControlAuthenticationFlag";
    ACOD = "acod", "accessControlObjectDetails";
    CHTY = "chty", "childResourceType";
    CH = "ch", "childResource";
    NM = "nm", "name";
    VAL = "val", "value";
    TYP = "typ", "type";
}

/// `identityToken`, an attribute of our own of `<AE>` and `<remoteCSE>`: written in a registration, never stored or
/// returned. Not in [`ATTRIBUTES`], which has the standard's. The one place where its name is written.
pub const IDTK: &str = "idtk";

/// The long name of the attribute with this short name; `None` when the standard has none.
pub fn long_name(short: &str) -> Option<&'static str> {
    let at = ATTRIBUTES.binary_search_by_key(&short, |(short, _)| short).ok()?;
    ATTRIBUTES.get(at).map(|(_, long)| *long)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::address::is_attribute_name;

    #[test]
    fn the_table_is_sorted_and_without_repetition() {
        assert!(ATTRIBUTES.windows(2).all(|pair| pair[0].0 < pair[1].0));
        assert!(MEMBERS.iter().all(|(short, _)| long_name(short).is_none()));
        for (short, long) in ATTRIBUTES {
            assert_eq!(long_name(short), Some(*long));
            assert!(is_attribute_name(short), "{short}");
        }
    }

    #[test]
    fn our_own_names_are_none_of_the_standards() {
        assert_eq!(long_name(IDTK), None);
        assert!(is_attribute_name(IDTK) && MEMBERS.iter().all(|(short, _)| *short != IDTK));
    }

    #[test]
    fn known_names() {
        for (short, long) in [
            (TY, "resourceType"),
            (RI, "resourceID"),
            (RN, "resourceName"),
            (PI, "parentID"),
            (CT, "creationTime"),
            (LT, "lastModifiedTime"),
            (ET, "expirationTime"),
            (LBL, "labels"),
            (ACPI, "accessControlPolicyIDs"),
            (CR, "creator"),
            (API, "App-ID"),
            (AEI, "AE-ID"),
            (POA, "pointOfAccess"),
            (RR, "requestReachability"),
            (SRV, "supportedReleaseVersions"),
            (CSI, "CSE-ID"),
            (CST, "cseType"),
            (CB, "CSEBase"),
            (DCSE, "descendantCSEs"),
            (APCI, "applicableCredIDs"),
            (AAI, "allowedApp-IDs"),
            (AAE, "allowedAEs"),
            (RLK, "ruleLinks"),
            (PV, "privileges"),
            (PVS, "selfPrivileges"),
        ] {
            assert_eq!(long_name(short), Some(long));
        }
        assert_eq!(long_name("xyz"), None);
        assert_eq!(long_name("RN"), None);
    }
}
