//! A child process that does not outlive the test that started it.

use std::fmt::Debug;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::wait::{DEADLINE, Patience, wait_until};

/// How long the rest of a dead child's words may take to arrive before a grandchild is blamed for holding
/// the pipes.
const GRANDCHILDREN: Duration = Duration::from_secs(30);

/// A running child. Dropping the guard kills it; a panic of the test prints what the child had said.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    input: Option<ChildStdin>,
    said: Arc<Said>,
}

/// What a child left behind when it ended.
#[derive(Debug)]
pub struct Finished {
    /// Exit code or signal.
    pub status: ExitStatus,
    /// Everything it wrote to standard output.
    pub stdout: String,
    /// Everything it wrote to standard error.
    pub stderr: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stream {
    Out,
    Err,
}

#[derive(Debug, Default)]
struct Said {
    lines: Mutex<Lines>,
    news: Condvar,
}

#[derive(Debug, Default)]
struct Lines {
    said: Vec<(Stream, String)>,
    /// How many of the two streams have ended.
    ended: u8,
}

impl Process {
    /// Starts `command` with all three standard streams in our hands. Both outputs are read as they come, so
    /// a talkative child never blocks.
    ///
    /// # Panics
    ///
    /// When the program cannot be started.
    #[must_use]
    pub fn spawn(mut command: Command) -> Self {
        let name = format!("{:?}", command.get_program());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("cannot start {name}: {error}"));
        let said = Arc::new(Said::default());
        let out = child.stdout.take().expect("standard output is piped");
        let err = child.stderr.take().expect("standard error is piped");
        collect(Stream::Out, out, &said);
        collect(Stream::Err, err, &said);
        let input = child.stdin.take();
        Self { name, child, input, said }
    }

    /// Runs `command` to its end with nothing on standard input.
    ///
    /// # Panics
    ///
    /// When the program cannot be started or does not end within [`DEADLINE`].
    #[must_use]
    pub fn run(command: Command) -> Finished {
        Self::spawn(command).finish()
    }

    /// The child's process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits for the first line, said already or yet to come on either output, for which `pick` answers
    /// `Some`, and returns that answer. A bound address is read off a server's first lines this way.
    ///
    /// # Panics
    ///
    /// When both outputs end without such a line, or [`DEADLINE`] passes. The message holds what was said.
    pub fn wait_for_line<T>(&self, awaited: &str, mut pick: impl FnMut(&str) -> Option<T>) -> T {
        let patience = Patience::new(DEADLINE);
        let mut lines = self.said.lock();
        let mut seen = 0;
        loop {
            for (_, line) in lines.said.iter().skip(seen) {
                if let Some(answer) = pick(line) {
                    return answer;
                }
            }
            seen = lines.said.len();
            let reason = if lines.ended == 2 {
                "ended without saying"
            } else if patience.is_over() {
                "took too long to say"
            } else {
                lines = self.said.wait(lines, &patience);
                continue;
            };
            let said = lines.text(None);
            drop(lines);
            panic!("{} {reason} {awaited}; it said:\n{said}", self.name);
        }
    }

    /// Writes to the child's standard input.
    ///
    /// # Panics
    ///
    /// When the input was closed or the child is gone.
    pub fn send(&mut self, octets: &[u8]) {
        let name = &self.name;
        let input = self.input.as_mut().unwrap_or_else(|| panic!("standard input of {name} is closed"));
        input
            .write_all(octets)
            .and_then(|()| input.flush())
            .unwrap_or_else(|error| panic!("cannot write to {name}: {error}"));
    }

    /// Ends the child's standard input.
    pub fn close_input(&mut self) {
        self.input = None;
    }

    /// Everything said on standard output so far.
    #[must_use]
    pub fn stdout(&self) -> String {
        self.said.lock().text(Some(Stream::Out))
    }

    /// Everything said on standard error so far.
    #[must_use]
    pub fn stderr(&self) -> String {
        self.said.lock().text(Some(Stream::Err))
    }

    /// Asks the child to end in good order (SIGTERM).
    ///
    /// # Panics
    ///
    /// When the signal cannot be sent.
    pub fn terminate(&self) {
        self.signal(Signal::TERM);
    }

    /// What Ctrl-C does (SIGINT).
    ///
    /// # Panics
    ///
    /// When the signal cannot be sent.
    pub fn interrupt(&self) {
        self.signal(Signal::INT);
    }

    /// Asks the child to read its configuration again (SIGHUP).
    ///
    /// # Panics
    ///
    /// When the signal cannot be sent.
    pub fn hang_up(&self) {
        self.signal(Signal::HUP);
    }

    fn signal(&self, signal: Signal) {
        let id = i32::try_from(self.id()).ok().and_then(Pid::from_raw).expect("a process id");
        kill_process(id, signal).expect("send a signal to our child");
    }

    /// Kills the child where it stands (SIGKILL) and waits until it is gone.
    ///
    /// # Panics
    ///
    /// When the child cannot be waited for.
    pub fn kill(mut self) -> Finished {
        // An error here means that it had ended by itself.
        let _ = self.child.kill();
        self.finish()
    }

    /// Ends the input and waits for the child to end by itself.
    ///
    /// # Panics
    ///
    /// When it does not within [`DEADLINE`].
    pub fn finish(mut self) -> Finished {
        self.close_input();
        let awaited = format!("the end of {}", self.name);
        let status = wait_until(&awaited, || {
            self.child.try_wait().unwrap_or_else(|error| panic!("{awaited}: {error}"))
        });
        // A grandchild may still hold the pipes; then the text so far is all there is.
        let patience = Patience::new(GRANDCHILDREN);
        let mut lines = self.said.lock();
        while lines.ended < 2 && !patience.is_over() {
            lines = self.said.wait(lines, &patience);
        }
        let (stdout, stderr) = (lines.text(Some(Stream::Out)), lines.text(Some(Stream::Err)));
        drop(lines);
        Finished { status, stdout, stderr }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking() {
            eprintln!("{} had said:\n{}", self.name, self.said.lock().text(None));
        }
    }
}

impl Finished {
    /// The exit code, or -1 when a signal ended the child.
    #[must_use]
    pub fn code(&self) -> i32 {
        self.status.code().unwrap_or(-1)
    }

    /// Returns itself when the child ended with exit code 0.
    ///
    /// # Panics
    ///
    /// When it did not; the message holds both outputs.
    #[must_use]
    pub fn success(self) -> Self {
        assert!(self.status.success(), "{}\n{}\n{}", self.status, self.stdout, self.stderr);
        self
    }
}

impl Said {
    fn lock(&self) -> MutexGuard<'_, Lines> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&'a self, lines: MutexGuard<'a, Lines>, patience: &Patience) -> MutexGuard<'a, Lines> {
        self.news.wait_timeout(lines, patience.left()).unwrap_or_else(PoisonError::into_inner).0
    }
}

impl Lines {
    fn text(&self, wanted: Option<Stream>) -> String {
        let mut text = String::new();
        for (stream, line) in &self.said {
            if wanted.is_none_or(|wanted| wanted == *stream) {
                text.push_str(line);
                text.push('\n');
            }
        }
        text
    }
}

fn collect(stream: Stream, source: impl Read + Send + 'static, said: &Arc<Said>) {
    let said = Arc::clone(said);
    thread::spawn(move || {
        let mut source = BufReader::new(source);
        let mut line = Vec::new();
        // A foreign program may print anything; a line that is no UTF-8 must not end the reading.
        while source.read_until(b'\n', &mut line).is_ok_and(|octets| octets > 0) {
            let text = String::from_utf8_lossy(&line).trim_end_matches(['\n', '\r']).to_owned();
            said.lock().said.push((stream, text));
            said.news.notify_all();
            line.clear();
        }
        said.lock().ended += 1;
        said.news.notify_all();
    });
}
