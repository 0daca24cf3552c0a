//! The log: lines on standard error, whose level and form can be changed while the program runs.

use std::io::IsTerminal as _;

use tracing_subscriber::{
    Layer, Registry,
    filter::Targets,
    layer::{Layered, SubscriberExt as _},
    reload,
    util::SubscriberInitExt as _,
};

use crate::{
    config::{LogFormat, LogSection},
    outcome::Failure,
};

type Filtered = Layered<reload::Layer<Targets, Registry>, Registry>;
type Lines = Box<dyn Layer<Filtered> + Send + Sync>;

/// What of the log can be turned.
pub(crate) struct Dials {
    level: reload::Handle<Targets, Registry>,
    lines: reload::Handle<Lines, Filtered>,
}

/// Sends the log to standard error, as configured. Once in a process.
pub(crate) fn start(section: &LogSection) -> Result<Dials, Failure> {
    let (filter, level) = reload::Layer::new(section.level.targets());
    let (layer, lines) = reload::Layer::new(layer(section));
    Registry::default().with(filter).with(layer).try_init().map_err(Failure::internal)?;
    Ok(Dials { level, lines })
}

impl Dials {
    /// From now on as in `section`.
    pub(crate) fn turn(&self, section: &LogSection) -> Result<(), Failure> {
        self.level.reload(section.level.targets()).map_err(Failure::internal)?;
        self.lines.reload(layer(section)).map_err(Failure::internal)
    }
}

fn layer(section: &LogSection) -> Lines {
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    match section.format {
        LogFormat::Text => lines.with_ansi(std::io::stderr().is_terminal()).boxed(),
        LogFormat::Json => lines.json().boxed(),
    }
}
