use std::{
    fs, io,
    os::unix::{
        fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _},
        net::UnixStream as Probe,
    },
    path::{Path, PathBuf},
    sync::{Arc, Weak},
    time::Duration,
};

use net::{Live, LiveAssociation};
use serde_json::{Value, json};
use thiserror::Error;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::{UnixListener, UnixStream},
    sync::Semaphore,
    time::{sleep, timeout},
};

use super::{Order, PAGE, Question};
use crate::mcc;

/// How long asking may take, and answering.
const PATIENCE: Duration = Duration::from_secs(5);
/// Octets of a question.
const QUESTION: u64 = 4096;
/// Questions that are answered at a time.
const AT_ONCE: usize = 4;
/// How long accepting rests after it failed.
const REST: Duration = Duration::from_millis(100);

/// Why there is no control socket.
#[derive(Debug, Error)]
pub(crate) enum ControlError {
    /// Another server answers there.
    #[error("control socket {}: another server has it; give one of them another `[control] socket`", path.display())]
    Taken { path: PathBuf },
    /// There is a file of another kind, which is not ours to remove.
    #[error("control socket {}: there is a file that is no socket", path.display())]
    NoSocket { path: PathBuf },
    /// It cannot be made.
    #[error("control socket {}: {error}", path.display())]
    Unusable { path: PathBuf, error: io::Error },
}

/// What is told.
#[derive(Clone)]
pub(crate) struct View {
    pub(crate) live: Live,
    /// What does not change while the server runs.
    pub(crate) status: Value,
    /// The registration with another CSE, if one is configured.
    pub(crate) registrar: Option<mcc::Handle>,
    /// What asks other CSEs. Must not keep it alive.
    pub(crate) cse: Weak<cse::Registrar>,
}

/// The socket of a running server. Dropping it removes the file.
pub(crate) struct Control {
    listener: UnixListener,
    path: PathBuf,
    /// Who made the file: us, or somebody who took our place.
    inode: u64,
}

impl Control {
    /// Makes the socket; one that a dead server left behind is replaced.
    pub(crate) fn bind(path: &Path) -> Result<Self, ControlError> {
        let unusable = |error| ControlError::Unusable { path: path.to_owned(), error };
        make_room(path)?;
        let listener = UnixListener::bind(path).map_err(unusable)?;
        fs::set_permissions(path, fs::Permissions::from_mode(0o600)).map_err(unusable)?;
        let inode = fs::metadata(path).map_err(unusable)?.ino();
        Ok(Self { listener, path: path.to_owned(), inode })
    }

    /// Answers until it is dropped.
    pub(crate) async fn serve(self, view: View) {
        let places = Arc::new(Semaphore::new(AT_ONCE));
        loop {
            // Whoever has no place yet waits in the kernel's queue.
            let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
            match self.listener.accept().await {
                Ok((stream, _)) => {
                    let view = view.clone();
                    tokio::spawn(async move {
                        // Somebody who went away, or was too slow, does not want to know.
                        let _ = timeout(2 * PATIENCE, attend(stream, &view)).await;
                        drop(place);
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot accept on the control socket");
                    sleep(REST).await;
                }
            }
        }
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        if fs::metadata(&self.path).is_ok_and(|file| file.ino() == self.inode) {
            // What stays behind is replaced by the next server.
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn make_room(path: &Path) -> Result<(), ControlError> {
    let unusable = |error| ControlError::Unusable { path: path.to_owned(), error };
    let file = match fs::symlink_metadata(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(unusable(error)),
    };
    if !file.file_type().is_socket() {
        return Err(ControlError::NoSocket { path: path.to_owned() });
    }
    match Probe::connect(path) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            fs::remove_file(path).map_err(unusable)
        }
        Err(error) => Err(unusable(error)),
        Ok(_) => Err(ControlError::Taken { path: path.to_owned() }),
    }
}

async fn attend(mut stream: UnixStream, view: &View) -> io::Result<()> {
    let ours = rustix::process::geteuid().as_raw();
    let theirs = stream.peer_cred()?.uid();
    // Read in any case: closing a socket with something unread takes the answer with it.
    let question = timeout(PATIENCE, read(&mut stream)).await;
    let lines = if theirs == ours || theirs == 0 {
        match question {
            Ok(line) => answer(&line?, view).await,
            Err(_) => vec![json!({ "error": "the question took too long" })],
        }
    } else {
        tracing::warn!(uid = theirs, "another account asked at the control socket");
        vec![json!({ "error": "only the server's own account and root may ask" })]
    };
    let mut octets = Vec::new();
    for line in lines {
        serde_json::to_writer(&mut octets, &line)?;
        octets.push(b'\n');
    }
    stream.write_all(&octets).await?;
    stream.shutdown().await
}

async fn read(stream: &mut UnixStream) -> io::Result<Vec<u8>> {
    let mut line = Vec::new();
    BufReader::new(stream.take(QUESTION)).read_until(b'\n', &mut line).await?;
    Ok(line)
}

async fn answer(line: &[u8], view: &View) -> Vec<Value> {
    match serde_json::from_slice(line) {
        Ok(Question::Associations { after, limit }) => associations(&view.live, after, limit),
        Ok(Question::Status) => vec![view.status.clone(), json!({ "end": { "more": false } })],
        Ok(Question::Registrar { order }) => registrar(view.registrar.as_ref(), order).await,
        Ok(Question::Retrieve { to }) => retrieve(&view.cse, &to).await,
        Err(error) => vec![json!({ "error": format!("the question is not one: {error}") })],
    }
}

async fn registrar(registration: Option<&mcc::Handle>, order: Order) -> Vec<Value> {
    let refuse = |text: String| vec![json!({ "error": text })];
    let Some(registration) = registration else {
        return refuse("no [registrar] is configured: this CSE registers with no other".into());
    };
    match order {
        Order::Look => {}
        Order::Join => registration.join().await,
        Order::Leave => {
            if let Err(trouble) = registration.leave().await {
                return refuse(format!("not de-registered yet: {trouble}"));
            }
        }
    }
    vec![registration.fact(), json!({ "end": { "more": false } })]
}

async fn retrieve(cse: &Weak<cse::Registrar>, to: &str) -> Vec<Value> {
    let Some(cse) = cse.upgrade() else { return vec![json!({ "error": "the server stops" })] };
    match timeout(PATIENCE, cse.retrieve_elsewhere(to)).await {
        Ok(Ok(answer)) => {
            let answer = json!({ "answer": { "rsc": answer.rsc.code(), "content": answer.pc } });
            vec![answer, json!({ "end": { "more": false } })]
        }
        Ok(Err(error)) => vec![json!({ "error": error.to_string() })],
        Err(_) => vec![json!({ "error": format!("no answer within {PATIENCE:?}") })],
    }
}

fn associations(live: &Live, after: u64, limit: usize) -> Vec<Value> {
    let mut rest = live.list().into_iter().filter(|association| association.id > after);
    let page = rest.by_ref().take(limit.min(PAGE)).map(|association| fact(&association));
    let mut lines: Vec<Value> = page.collect();
    lines.push(json!({ "end": { "more": rest.next().is_some() } }));
    lines
}

fn fact(association: &LiveAssociation) -> Value {
    json!({ "association": {
        "id": association.id,
        "credential_id": association.credential_id.as_ref().map(keys::CredentialId::as_str),
        "entity": association.subject.as_ref().map(ToString::to_string),
        "kind": association.kind.map(onem2m::id::EntityKind::as_str),
        "source": association.source.to_string(),
        "framework": association.framework.as_str(),
        "suite": association.suite.name(),
        "since": association.since.to_string(),
    }})
}
