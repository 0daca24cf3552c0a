//! Certificate suites: who presents what, who judges it, and what a peer without the private key learns.

use std::sync::Arc;

use association::{
    Alert, Association, ClientContext, ClientIdentity, ClientProof, CredentialError, Error, KeyAnswer,
    Presented, PrivateKey, Progress, Proved, ServerContext, ServerCredential, Suite, SuitePolicy, Verdict,
};

use crate::{
    maker::{Made, made},
    wire::{carry, key, last_alert, psk, read_all, run},
};

const CBC: &str = "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256";

fn server_context(policy: &SuitePolicy) -> ServerContext {
    ServerContext::builder(policy).credential(made("server").server()).build().unwrap()
}

fn client_context(policy: &SuitePolicy, identity: ClientIdentity) -> ClientContext {
    ClientContext::builder(policy).identity(identity).server(Arc::new(|_| Ok(()))).build().unwrap()
}

fn certificate_client(context: &ClientContext) -> Association {
    Association::client_with(context, None, Some("home.example.org"), None).unwrap()
}

#[test]
fn every_certificate_suite_completes_and_carries_data() {
    for suite in Suite::all().filter(|suite| suite.is_certificate()) {
        for piece in [1, 7, 1 << 16] {
            let policy = SuitePolicy::from_names([suite.name()]).unwrap();
            let me = made("light1");
            let mut client = certificate_client(&client_context(&policy, me.client()));
            let mut server = Association::server(&server_context(&policy));
            let run = run(&mut client, &mut server, piece, |_| KeyAnswer::Refuse);
            let (at_client, at_server) = (run.client.unwrap(), run.server.unwrap());
            assert_eq!((at_server.suite, at_client.suite), (suite, suite));
            assert_eq!(at_server.proved, Proved::Certificate(me.presented()));
            assert_eq!(at_client.proved, Proved::Certificate(made("server").presented()));
            assert_eq!(at_server.server_name.as_deref(), Some("home.example.org"));
            assert!(at_server.extended_master_secret);
            assert_eq!(client.write(b"up").unwrap(), 2);
            carry(&mut client, &mut server);
            assert_eq!(read_all(&mut server).0, b"up");
        }
    }
}
