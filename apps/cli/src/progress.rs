//! How far long work has come, on a terminal's standard error: nobody else reads it.

use std::{
    collections::BTreeSet,
    io::{self, IsTerminal as _, Write as _},
    time::{Duration, Instant},
};

use quicprochat_client::core::{Event, store::ConversationState};
use quicprochat_wire::ChannelId;

/// A line that is written over.
pub(crate) struct ProgressLine {
    wanted: bool,
    shown: bool,
}

impl ProgressLine {
    pub(crate) fn new() -> Self {
        Self { wanted: io::stderr().is_terminal(), shown: false }
    }

    /// Whether anybody sees it.
    pub(crate) const fn is_wanted(&self) -> bool {
        self.wanted
    }

    pub(crate) fn show(&mut self, text: &str) {
        if self.wanted {
            self.shown = true;
            self.write(&format!("\r{text}\x1b[K"));
        }
    }

    /// Makes room for something else.
    pub(crate) fn clear(&mut self) {
        if core::mem::take(&mut self.shown) {
            self.write("\r\x1b[K");
        }
    }

    fn write(&mut self, text: &str) {
        let mut err = io::stderr().lock();
        // Whoever closed it does not want to know.
        self.wanted = err.write_all(text.as_bytes()).and_then(|()| err.flush()).is_ok();
    }
}

/// Catching up, told by the events of the engine.
pub(crate) struct CatchUp {
    line: ProgressLine,
    done: Done,
    /// When the line may be written next.
    next: Instant,
}

/// What there was to do, and what of it is done.
#[derive(Default)]
struct Done {
    entries: u64,
    imported: usize,
    segments_left: usize,
    /// Conversations that this device was not in.
    entering: BTreeSet<ChannelId>,
    entered: BTreeSet<ChannelId>,
}

impl CatchUp {
    /// Work that is over sooner shows nothing.
    const PATIENCE: Duration = Duration::from_millis(500);
    /// Between two updates.
    const STEP: Duration = Duration::from_millis(200);

    /// `entering`: conversations that this device is not in yet.
    pub(crate) fn new(entering: BTreeSet<ChannelId>) -> Self {
        let done = Done { entering, ..Done::default() };
        Self { line: ProgressLine::new(), done, next: Instant::now() + Self::PATIENCE }
    }

    pub(crate) fn take(&mut self, event: &Event) {
        self.done.take(event);
        if self.line.is_wanted() && Instant::now() >= self.next {
            self.next = Instant::now() + Self::STEP;
            self.line.show(&self.done.text());
        }
    }

    /// Makes room for lines of text.
    pub(crate) fn clear(&mut self) {
        self.line.clear();
    }
}

impl Done {
    fn take(&mut self, event: &Event) {
        #[expect(clippy::wildcard_enum_match_arm, reason = "the others are no progress")]
        match event {
            Event::Logged(_) => self.entries += 1,
            Event::HistoryImported { entries, segments_left } => {
                self.imported += entries;
                self.segments_left = *segments_left;
            }
            Event::State { channel, state: ConversationState::NeedsRejoin { .. } } => {
                self.entering.insert(*channel);
                self.entered.remove(channel);
            }
            Event::State { channel, .. } if self.entering.contains(channel) => {
                self.entered.insert(*channel);
            }
            _ => {}
        }
    }

    fn text(&self) -> String {
        let mut parts = vec![format!("{} entries read", self.entries)];
        if !self.entering.is_empty() {
            parts.push(format!("{} of {} conversations entered", self.entered.len(), self.entering.len()));
        }
        if self.imported > 0 || self.segments_left > 0 {
            parts.push(format!("{} entries of the history, {} parts of it to come", self.imported, self.segments_left));
        }
        format!("catching up: {}", parts.join("; "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_says_what_is_done_and_what_is_left() {
        let channel = |byte| ChannelId::new([byte; 32]);
        let mut done = Done { entering: BTreeSet::from([channel(1), channel(2)]), ..Done::default() };
        assert_eq!(done.text(), "catching up: 0 entries read; 0 of 2 conversations entered");
        done.take(&Event::State { channel: channel(1), state: ConversationState::Active });
        done.take(&Event::State { channel: channel(9), state: ConversationState::Active });
        done.take(&Event::HistoryImported { entries: 40, segments_left: 3 });
        done.take(&Event::HistoryImported { entries: 2, segments_left: 1 });
        assert_eq!(
            done.text(),
            "catching up: 0 entries read; 1 of 2 conversations entered; 42 entries of the history, 1 parts of it to come"
        );
    }
}
