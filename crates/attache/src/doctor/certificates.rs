//! The certificates of listeners: what they prove, whom they believe, and what is known of withdrawals.

use std::{os::unix::fs::PermissionsExt as _, path::Path, sync::Arc};

use certificate::{Anchors, Chain, ExpectedServer, Purpose, matches_server, verify};
use identity::CseType;
use onem2m::{
    id::CseDomainName,
    time::{Clock, Timestamp},
};

use super::{Finding, SOON};
use crate::{
    admit::{Own, StapleKeeper, Trust},
    config::{Accept, CertificateSection, Config, ListenerSection, OcspSection},
};

/// Bits of a mode that let others than the owner at a file.
const OTHERS: u32 = 0o077;
const RENEW: &str = "renew it, and reload (kill -HUP)";

/// What there is to say of each listener's.
pub(super) async fn look(config: &Config, clock: &Arc<dyn Clock>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for section in &config.listener {
        let trust = section.accepts(Accept::Certificate).then(|| {
            let trust = Trust::load(&section.clients, config.folder(), &**clock);
            trust.map_err(|error| {
                let how = "correct `anchors_file` and `crl_file` of [listener.clients]";
                findings.push(Finding::broken("trust", error, how));
            })
        });
        let trust = trust.and_then(Result::ok);
        let anchors = trust.as_ref().map(Trust::anchors);
        if let Some(trust) = &trust {
            findings.extend(believed(section, &trust.anchors(), clock.now()));
        }
        let Some(certificate) = &section.certificate else { continue };
        match Own::load(certificate, config.folder(), clock.now()) {
            Err(error) => {
                let how = "correct what [listener.certificate] names; `attache pki check` says which rule a certificate breaks";
                findings.push(Finding::broken("certificate", error, how));
            }
            Ok(own) => {
                let strict = section.clients.strict_name_constraints;
                let anchors = anchors.unwrap_or_default();
                findings.push(ends(section, &own.chain, clock.now()));
                findings.extend(exposed(&config.folder().join(&certificate.key_file)));
                findings.extend(misnamed(config, section, &own.chain));
                findings.extend(led_astray(section, &own.chain, &anchors, clock.now(), strict));
                findings.extend(stapled(certificate, config.folder(), &own.chain, &anchors, clock).await);
            }
        }
    }
    findings
}

fn ends(section: &ListenerSection, chain: &Chain, now: Timestamp) -> Finding {
    let end = chain.not_after();
    let found = format!("{}: belongs to its key, good until {end}", section.address);
    if end < now.saturating_add(SOON) {
        Finding::warning("certificate", found, RENEW)
    } else {
        Finding::fine("certificate", found)
    }
}

/// A private key that other accounts can read.
fn exposed(key: &Path) -> Option<Finding> {
    let mode = std::fs::metadata(key).ok()?.permissions().mode();
    let found = format_args!(
        "{}: other accounts may read the private key (mode {:04o})",
        key.display(),
        mode & 0o7777
    );
    (mode & OTHERS != 0).then(|| Finding::warning("certificate", found, "chmod 600 the file"))
}

/// A certificate in which nobody recognises this CSE.
fn misnamed(config: &Config, section: &ListenerSection, chain: &Chain) -> Option<Finding> {
    let home = config.cse.settings().home;
    let name = match &config.cse.infrastructure {
        Some(infrastructure) => CseDomainName::of_field(&home.cse, infrastructure),
        None if home.cse_type == CseType::In => CseDomainName::of_infrastructure(&home.cse),
        None => return None,
    };
    let refusal = matches_server(chain, &ExpectedServer::Cse(name.ok()?)).err()?;
    let found = format_args!("{}: {refusal}", section.address);
    let how = "get a certificate with the public domain name of this CSE, or correct `id` and `infrastructure` in [cse]";
    Some(Finding::warning("certificate", found, how))
}

/// A certificate that we would not believe ourselves.
fn led_astray(
    section: &ListenerSection,
    chain: &Chain,
    anchors: &Anchors,
    now: Timestamp,
    strict: bool,
) -> Option<Finding> {
    if anchors.is_empty() {
        return None;
    }
    let refusal = verify(anchors, chain, Purpose::Server, now, strict).err()?;
    let found = format_args!("{}: not for peers that believe what we believe: {refusal}", section.address);
    let how = "see that peers have another root for it, or that it leads to one in `anchors_file`";
    Some(Finding::warning("certificate", found, how))
}

/// Roots and revocation lists.
fn believed(section: &ListenerSection, anchors: &Anchors, now: Timestamp) -> Vec<Finding> {
    let at = section.address;
    let roots: Vec<_> = anchors.roots().collect();
    let mut findings = Vec::new();
    if roots.is_empty() {
        let found =
            format_args!("{at}: no roots: of certificates only public keys that are enrolled are accepted");
        let how = "name the roots in `anchors_file` of [listener.clients], or leave it so";
        findings.push(Finding::warning("trust", found, how));
    } else {
        findings.push(Finding::fine("trust", format_args!("{at}: {} roots", roots.len())));
    }
    let soon = now.saturating_add(SOON);
    for (subject, end) in roots.into_iter().filter(|(_, end)| *end < soon) {
        let how = "get the root that follows it, and certificates that lead there";
        findings.push(Finding::warning("trust", format_args!("{at}: root \"{subject}\" ends at {end}"), how));
    }
    findings.extend(withdrawn(section, anchors, now));
    findings
}

fn withdrawn(section: &ListenerSection, anchors: &Anchors, now: Timestamp) -> Vec<Finding> {
    let (check, at) = ("revocation", section.address);
    let mut lists: Vec<_> = anchors.crls().collect();
    // Of one issuer the newest counts.
    lists.sort_by(|one, other| (&one.issuer, other.this_update).cmp(&(&other.issuer, one.this_update)));
    lists.dedup_by(|one, before| one.issuer == before.issuer);
    if lists.is_empty() && section.clients.require_crls {
        let found = format_args!("{at}: require_crls without any list: every certificate is refused");
        return vec![Finding::broken(check, found, "name the lists in `crl_file` of [listener.clients]")];
    }
    let judge = |list: certificate::CrlState| {
        let (issuer, end) = (&list.issuer, list.next_update);
        let found = format!("{at}: list of \"{issuer}\" with {} withdrawn, next due {end}", list.revoked);
        let how = "fetch the newer list into `crl_file`; it is read when it changes";
        let life = end.since(list.this_update).unwrap_or_default();
        match end.since(now) {
            None => Finding::broken(check, format_args!("{found}: its certificates are refused"), how),
            Some(left) if left < life / 4 => Finding::warning(check, found, how),
            Some(_) => Finding::fine(check, found),
        }
    };
    lists.into_iter().map(judge).collect()
}

/// What is stapled, got as the server gets it.
async fn stapled(
    certificate: &CertificateSection,
    folder: &Path,
    chain: &Chain,
    anchors: &Anchors,
    clock: &Arc<dyn Clock>,
) -> Option<Finding> {
    let section: &OcspSection = certificate.ocsp.as_ref()?;
    let how = "correct [listener.certificate.ocsp], or see that its file or responder has a current answer";
    let good = match StapleKeeper::new(section, folder, chain, anchors, Arc::clone(clock)) {
        Ok(keeper) => keeper.renewed().await,
        Err(error) => Err(error.to_string()),
    };
    Some(match good {
        Ok(until) => Finding::fine("stapling", format_args!("the response is good until {until}")),
        Err(error) => Finding::broken("stapling", error, how),
    })
}
