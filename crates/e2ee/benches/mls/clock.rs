//! CPU time, and what is made of many of them.

use rustix::time::{ClockId, clock_gettime};

use crate::side::Result;

/// Runs `work` and returns the seconds of CPU that it took, on all threads (OpenMLS works on several).
pub(crate) fn spent<T>(work: impl FnOnce() -> Result<T>) -> Result<(T, f64)> {
    let begin = now();
    let value = work()?;
    Ok((value, now() - begin))
}

#[expect(clippy::cast_precision_loss, reason = "seconds of a benchmark are exact in a double")]
fn now() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

/// Seconds of both sides, for one operation.
#[derive(Default)]
pub(crate) struct Samples {
    pub(crate) ours: Vec<f64>,
    pub(crate) bare: Vec<f64>,
}

impl Samples {
    pub(crate) fn ours<T>(&mut self, work: impl FnOnce() -> Result<T>) -> Result<T> {
        let (value, seconds) = spent(work)?;
        self.ours.push(seconds);
        Ok(value)
    }

    pub(crate) fn bare<T>(&mut self, work: impl FnOnce() -> Result<T>) -> Result<T> {
        let (value, seconds) = spent(work)?;
        self.bare.push(seconds);
        Ok(value)
    }

    /// The ratio of the medians, where both sides ran.
    pub(crate) fn ratio(&self) -> Option<f64> {
        median(&self.ours).zip(median(&self.bare)).map(|(ours, bare)| ours / bare)
    }

    /// A row of the table: medians in milliseconds, and their ratio.
    pub(crate) fn row(&self, members: usize, operation: &str) -> [String; 5] {
        let (ours, bare) = (median(&self.ours), median(&self.bare));
        let shown = |seconds: Option<f64>| seconds.map_or("-".to_owned(), |seconds| format!("{:.3}", seconds * 1e3));
        let ratio = self.ratio().map_or("-".to_owned(), |ratio| format!("{ratio:.2}"));
        [members.to_string(), operation.to_owned(), shown(ours), shown(bare), ratio]
    }
}

fn median(samples: &[f64]) -> Option<f64> {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied()
}
