//! The server's side of one call: read a request, answer it. Both are bounded in memory and in time.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use futures::{StreamExt as _, stream::BoxStream};
use quicprochat_wire::{
    ErrorCode,
    codec::frame::{FrameReader, PREFIX_BYTES},
    limits::MAX_FIRST_FRAME_BYTES,
};
use quinn::{RecvStream, SendStream};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    time::{Instant, timeout, timeout_at},
};

use super::code;
use crate::{
    server::Handler,
    session::{Outgoing, Session, refusal},
};

/// What all streams of a connection share.
pub(super) struct Terms {
    /// KiB of large requests on this connection.
    pub(super) connection_buffer: Arc<Semaphore>,
    /// KiB of large requests on all connections.
    pub(super) buffer: Arc<Semaphore>,
    pub(super) progress_timeout: Duration,
    pub(super) transfer_timeout: Duration,
    /// Turns true when the server stops.
    pub(super) draining: watch::Receiver<bool>,
}

/// Answers the call on a stream. The peer may vanish at any moment, which ends it silently.
pub(super) async fn serve<H: Handler>(session: &Session<H>, terms: &Terms, mut send: SendStream, mut recv: RecvStream) {
    let outgoing = match read_request(&mut recv, session.frame_limit(), terms).await {
        Ok(mut request) => match request.frames.next_frame() {
            Ok(Some(_)) if *terms.draining.borrow() => Outgoing::One(refusal(ErrorCode::Unavailable)),
            Ok(Some(message)) => session.answer(message).await,
            Ok(None) | Err(_) => Outgoing::One(refusal(ErrorCode::BadRequest)),
        },
        Err(Unread::Refused(code)) => {
            // It fails only if the client has ended the stream, and then there is nothing to stop.
            let _ended = recv.stop(code::DONE);
            Outgoing::One(refusal(code))
        }
        Err(Unread::TimedOut) => {
            tracing::debug!("a request did not arrive in time");
            let _ended = (recv.stop(code::TIMED_OUT), send.reset(code::TIMED_OUT));
            return;
        }
        Err(Unread::Gone) => return,
    };
    let written = match outgoing {
        Outgoing::One(frame) => write(&mut send, frame, terms).await,
        Outgoing::Many(frames) => forward(&mut send, frames, terms).await,
    };
    match written {
        // It fails only if the client has stopped listening.
        Ok(()) => drop(send.finish()),
        Err(Unwritten::TimedOut) => {
            tracing::debug!("an answer was not taken in time");
            let _ended = send.reset(code::TIMED_OUT);
        }
        Err(Unwritten::Gone) => {}
    }
}

/// A request that has arrived in whole, with its share of the buffers.
struct Request {
    frames: FrameReader,
    _room: Option<(OwnedSemaphorePermit, OwnedSemaphorePermit)>,
}

enum Unread {
    Refused(ErrorCode),
    TimedOut,
    Gone,
}

/// Reads up to the end of the stream, which must come right behind one frame.
async fn read_request(recv: &mut RecvStream, limit: usize, terms: &Terms) -> Result<Request, Unread> {
    let deadline = Instant::now() + terms.transfer_timeout;
    let mut request = Request { frames: FrameReader::new(limit), _room: None };
    let mut arrived = 0usize;
    loop {
        let mut chunks: [Bytes; 16] = Default::default();
        let next = deadline.min(Instant::now() + terms.progress_timeout);
        let count = match timeout_at(next, recv.read_chunks(&mut chunks)).await {
            Ok(Ok(Some(count))) => count,
            Ok(Ok(None)) => return Ok(request),
            Ok(Err(_)) => return Err(Unread::Gone),
            Err(_) => return Err(Unread::TimedOut),
        };
        for chunk in chunks.iter().take(count) {
            request.frames.push(chunk);
            arrived = arrived.saturating_add(chunk.len());
        }
        match request.frames.announced() {
            Err(_) => return Err(Unread::Refused(ErrorCode::TooLarge)),
            Ok(Some(length)) if arrived > length.saturating_add(PREFIX_BYTES) => {
                return Err(Unread::Refused(ErrorCode::BadRequest));
            }
            Ok(Some(length)) if length > MAX_FIRST_FRAME_BYTES && request._room.is_none() => {
                request._room = Some(make_room(length, next, terms).await?);
            }
            Ok(_) => {}
        }
    }
}

/// Waits for a share of the buffers of the connection, then of all connections.
async fn make_room(
    length: usize,
    deadline: Instant,
    terms: &Terms,
) -> Result<(OwnedSemaphorePermit, OwnedSemaphorePermit), Unread> {
    let kib = u32::try_from(length / 1024 + 1).unwrap_or(u32::MAX);
    let own = Arc::clone(&terms.connection_buffer).acquire_many_owned(kib);
    let all = Arc::clone(&terms.buffer).acquire_many_owned(kib);
    let both = async { Ok((own.await?, all.await?)) };
    match timeout_at(deadline, both).await {
        Ok(Ok(room)) => Ok(room),
        Ok(Err(tokio::sync::AcquireError { .. })) => Err(Unread::Gone),
        Err(_) => Err(Unread::Refused(ErrorCode::Unavailable)),
    }
}

enum Unwritten {
    TimedOut,
    Gone,
}

/// Writes a frame as fast as the client takes it.
async fn write(send: &mut SendStream, frame: Vec<u8>, terms: &Terms) -> Result<(), Unwritten> {
    let deadline = Instant::now() + terms.transfer_timeout;
    let mut chunks = [Bytes::from(frame)];
    while chunks.iter().any(|chunk| !chunk.is_empty()) {
        let next = deadline.min(Instant::now() + terms.progress_timeout);
        match timeout_at(next, send.write_chunks(&mut chunks)).await {
            Ok(Ok(_)) => {}
            Ok(Err(_)) => return Err(Unwritten::Gone),
            Err(_) => return Err(Unwritten::TimedOut),
        }
    }
    Ok(())
}

/// Forwards frames until there are no more, the client stops listening, or the server stops.
async fn forward(
    send: &mut SendStream,
    mut frames: BoxStream<'static, Vec<u8>>,
    terms: &Terms,
) -> Result<(), Unwritten> {
    let mut stopped = Box::pin(send.stopped());
    let mut drained = Box::pin(drained(terms.draining.clone()));
    loop {
        tokio::select! {
            biased;
            _ = &mut stopped => return Err(Unwritten::Gone),
            () = &mut drained => return write(send, refusal(ErrorCode::Unavailable), terms).await,
            frame = frames.next() => match frame {
                Some(frame) => write(send, frame, terms).await?,
                None => return Ok(()),
            },
        }
    }
}

/// Resolves when the server stops, or is gone.
async fn drained(mut draining: watch::Receiver<bool>) {
    drop(draining.wait_for(|draining| *draining).await);
}

/// Resolves when the server has stopped taking new calls and `calls` under way have ended, or `limit` has passed.
pub(super) async fn wait_for_calls(mut calls: tokio::sync::mpsc::Receiver<()>, limit: Duration) {
    // Nobody sends: the channel ends when the last call drops its end.
    if timeout(limit, calls.recv()).await.is_err() {
        tracing::warn!("calls under way are cut off");
    }
}
