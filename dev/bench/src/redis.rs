//! `XADD` over plain TCP, with several commands in flight on a connection.

use std::{collections::VecDeque, net::SocketAddr, time::Instant};

use anyhow::{Result, bail};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::window::{Latencies, Window};

/// A connection that appends to a stream of its own.
pub(crate) struct Appender {
    socket: TcpStream,
    command: Vec<u8>,
}

impl Appender {
    /// Connects, and prepares the one command it repeats.
    pub(crate) async fn connect(server: SocketAddr, number: usize, entry: &[u8]) -> Result<Self> {
        let socket = TcpStream::connect(server).await?;
        socket.set_nodelay(true)?;
        let stream = format!("s{number}");
        let words: [&[u8]; 5] = [b"XADD", stream.as_bytes(), b"*", b"d", entry];
        let mut command = format!("*{}\r\n", words.len()).into_bytes();
        for word in words {
            command.extend(format!("${}\r\n", word.len()).into_bytes());
            command.extend(word);
            command.extend(b"\r\n");
        }
        Ok(Self { socket, command })
    }

    /// Keeps `in_flight` commands under way until the window is over.
    pub(crate) async fn run(mut self, in_flight: usize, window: Window) -> Result<Latencies> {
        let mut latencies = Latencies::default();
        let mut sent = VecDeque::with_capacity(in_flight);
        let mut buffer = vec![0; 64 * 1024];
        let mut kept = Vec::new();
        while !window.is_over() {
            let missing = in_flight - sent.len();
            self.socket.write_all(&self.command.repeat(missing)).await?;
            let now = Instant::now();
            sent.extend(std::iter::repeat_n(now, missing));
            let count = self.socket.read(&mut buffer).await?;
            if count == 0 {
                bail!("Redis closed the connection");
            }
            kept.extend_from_slice(buffer.get(..count).unwrap_or_default());
            let whole = replies(&kept)?;
            for _ in 0..whole.count {
                let Some(since) = sent.pop_front() else { bail!("Redis answered what was not asked") };
                if window.counts() {
                    latencies.add(since);
                }
            }
            kept.drain(..whole.bytes);
        }
        Ok(latencies)
    }
}

struct Whole {
    count: usize,
    bytes: usize,
}

/// The whole replies at the beginning: bulk strings of two lines, which are the ids of new entries.
fn replies(received: &[u8]) -> Result<Whole> {
    let (mut count, mut bytes) = (0, 0);
    let mut rest = received;
    while let Some(line_end) = end_of_line(rest) {
        if rest.first() != Some(&b'$') {
            bail!("Redis refused: {}", String::from_utf8_lossy(rest));
        }
        let Some(id_end) = rest.get(line_end..).and_then(end_of_line) else { break };
        count += 1;
        bytes += line_end + id_end;
        rest = received.get(bytes..).unwrap_or_default();
    }
    Ok(Whole { count, bytes })
}

fn end_of_line(bytes: &[u8]) -> Option<usize> {
    bytes.windows(2).position(|pair| pair == b"\r\n").map(|at| at + 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_replies_count() {
        let reply = b"$15\r\n1526919030474-0\r\n";
        let two_and_a_half = [reply.as_slice(), reply, b"$15\r\n15269"].concat();
        let whole = replies(&two_and_a_half).expect("no refusal");
        assert_eq!((whole.count, whole.bytes), (2, 2 * reply.len()));
    }

    #[test]
    fn a_refusal_is_an_error() {
        assert!(replies(b"-OOM command not allowed\r\n").is_err());
    }
}
