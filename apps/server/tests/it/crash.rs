//! Killed without warning while many write.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use quicprochat_wire::{MessageId, call::channel::Enqueued};
use tokio::{sync::Notify, task::JoinSet};

use crate::{channel::TestChannel, process::Running};

const ROUNDS: u64 = 4;
const WRITERS: u64 = 12;

fn id(number: u64) -> MessageId {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&number.to_le_bytes());
    MessageId::new(bytes)
}

/// What was acknowledged: the position by id.
type Acknowledged = Arc<Mutex<HashMap<MessageId, u64>>>;

#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_is_there_after_kill_9_and_nothing_stands_twice() {
    let temp = tempfile::tempdir().expect("a directory");
    let data = temp.path().join("data");
    std::fs::create_dir(&data).expect("made");
    rustix::fs::chmod(&data, rustix::fs::Mode::RWXU).expect("ours");
    let channels: Vec<Arc<TestChannel>> = (1..=3).map(|number| Arc::new(TestChannel::new(number))).collect();
    for channel in &channels {
        channel.plant(&data).await;
    }
    let acknowledged: Vec<Acknowledged> = channels.iter().map(|_| Acknowledged::default()).collect();
    let next_id = Arc::new(AtomicU64::new(1));
    for round in 0..ROUNDS {
        let server = Running::start(&data, &[]);
        let target = 150 + 130 * round;
        let (count, reached) = (Arc::new(AtomicU64::new(0)), Arc::new(Notify::new()));
        let mut writers = JoinSet::new();
        for writer in 0..WRITERS {
            let which = usize::try_from(writer).expect("small") % channels.len();
            let (channel, acknowledged) = (channels[which].clone(), acknowledged[which].clone());
            let (next_id, count, reached) = (next_id.clone(), count.clone(), reached.clone());
            let link = channel.attach(&server.link).await;
            writers.spawn(async move {
                loop {
                    let id = id(next_id.fetch_add(1, Ordering::Relaxed));
                    match channel.enqueue(&link, id).await {
                        Ok(Enqueued::Accepted { at, .. }) => {
                            let before = acknowledged.lock().expect("sound").insert(id, at.position);
                            assert_eq!(before, None);
                        }
                        Ok(other) => panic!("there are no commits: {other:?}"),
                        Err(_) => return,
                    }
                    if count.fetch_add(1, Ordering::Relaxed) + 1 == target {
                        reached.notify_one();
                    }
                }
            });
        }
        reached.notified().await;
        server.kill();
        writers.abort_all();
        while let Some(ended) = writers.join_next().await {
            assert!(ended.is_ok() || ended.is_err_and(|error| error.is_cancelled()), "a writer failed");
        }

        let server = Running::start(&data, &[]);
        for (channel, acknowledged) in channels.iter().zip(&acknowledged) {
            let link = channel.attach(&server.link).await;
            let log = channel.log(&link).await;
            let mut by_id = HashMap::new();
            for (position, entry) in (1..).zip(&log) {
                assert_eq!(entry.seq, position, "the log has no gap");
                assert_eq!(by_id.insert(entry.id, entry.seq), None, "an entry stands twice");
            }
            let acknowledged = acknowledged.lock().expect("sound").clone();
            assert!(!acknowledged.is_empty());
            for (id, position) in acknowledged {
                assert_eq!(by_id.get(&id), Some(&position), "round {round}: an acknowledged entry is lost or moved");
                if round + 1 == ROUNDS && position % 16 == 0 {
                    let again = channel.enqueue(&link, id).await.expect("answered");
                    assert!(matches!(again, Enqueued::Accepted { at, .. } if at.position == position), "{again:?}");
                }
            }
        }
        server.kill();
    }
}
