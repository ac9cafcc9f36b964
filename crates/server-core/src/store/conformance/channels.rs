//! Channels.

use quicprochat_wire::{
    AccessPublicKey, ChainHash, ChannelId, ChunkId, Digest, MessageId,
    call::channel::{ChainPoint, EntryKind},
};

use super::{NonConformance, ensure};
use crate::store::{
    ChannelRow, ChunkRow, EntryRow, GroupInfoRow, KeyRow, KeyringRow, LogPoint, Minute, PageLimit, Refusal, Store,
    StoreTx, read, write,
};

const TEAM: ChannelId = ChannelId::new([1; 32]);
const PAIR: ChannelId = ChannelId::new([2; 32]);

pub(super) async fn check(store: &dyn Store) -> Result<(), NonConformance> {
    log(store).await?;
    pages(store).await?;
    keys(store).await?;
    group_infos(store).await?;
    chunks(store).await?;
    retention(store).await?;
    removal(store).await
}

async fn log(store: &dyn Store) -> Result<(), NonConformance> {
    write(store, |tx| {
        tx.channels().insert(&TEAM, &row(0))?;
        tx.channels().insert(&PAIR, &row(0))?;
        let saved = ChannelRow { group_infos: 3, ..row(0) };
        tx.channels().save(&PAIR, &saved)?;
        for seq in 1..=6 {
            tx.channels().append(&TEAM, &row(seq), entry(seq))?;
        }
        let seen = tx.channels().find_id(&TEAM, &entry(6).id)?;
        if seen == Some(entry(6).at) { Ok(()) } else { Err(Refusal::Store(crate::store::StoreFault::Closed)) }
    })
    .await?;
    let (team, pair, none) = read(store, |tx| {
        let channels = tx.channels();
        Ok((channels.load(&TEAM)?, channels.load(&PAIR)?, channels.load(&ChannelId::new([3; 32]))?))
    })
    .await?;
    ensure!(team == Some(row(6)) && none.is_none(), "an append replaces the channel's row");
    ensure!(pair == Some(ChannelRow { group_infos: 3, ..row(0) }), "a row is saved as it is");
    let (here, elsewhere, point, beyond) = read(store, |tx| {
        let channels = tx.channels();
        let id = entry(4).id;
        Ok((
            channels.find_id(&TEAM, &id)?,
            channels.find_id(&PAIR, &id)?,
            channels.point(&TEAM, 4)?,
            channels.point(&TEAM, 7)?,
        ))
    })
    .await?;
    ensure!(here == Some(entry(4).at) && elsewhere.is_none(), "an id is found in its own channel");
    ensure!(point == Some(log_point(4)), "a position has its point and kind");
    ensure!(beyond.is_none(), "there is nothing beyond the end");
    Ok(())
}

async fn pages(store: &dyn Store) -> Result<(), NonConformance> {
    let page = async |after, through, entries, bytes| {
        let limit = PageLimit { entries, bytes };
        read(store, move |tx| Ok(tx.channels().page(&TEAM, after, through, limit)?)).await
    };
    ensure!(
        page(0, u64::MAX, 9, 999).await? == [1, 2, 3, 4, 5, 6].map(entry),
        "a page has entries as stored, in order"
    );
    ensure!(
        page(2, u64::MAX, 2, 999).await? == [3, 4].map(entry),
        "a page begins after its cursor and ends at its limit"
    );
    ensure!(page(0, 2, 9, 999).await? == [1, 2].map(entry), "a page ends at its last position");
    ensure!(
        page(0, u64::MAX, 9, 11).await? == [1, 2].map(entry),
        "the entry that reaches the byte limit ends the page"
    );
    ensure!(page(0, u64::MAX, 9, 0).await? == [1].map(entry), "a page has at least one entry if there is any");
    ensure!(page(6, u64::MAX, 9, 999).await?.is_empty(), "a page at the end is empty");
    ensure!(page(u64::MAX, u64::MAX, 9, 999).await?.is_empty(), "a page beyond the end is empty");
    ensure!(page(3, 2, 9, 999).await?.is_empty(), "a page that ends before its cursor is empty");
    Ok(())
}

async fn keys(store: &dyn Store) -> Result<(), NonConformance> {
    let (old, new) = (AccessPublicKey::new([1; 32]), AccessPublicKey::new([2; 32]));
    let ended = KeyRow { since: 0, until: Some(4) };
    let current = KeyRow { since: 4, until: None };
    write(store, move |tx| {
        tx.channels().put_key(&TEAM, &old, KeyRow { since: 0, until: None })?;
        tx.channels().put_key(&TEAM, &old, ended)?;
        Ok(tx.channels().put_key(&TEAM, &new, current)?)
    })
    .await?;
    let found = read(store, move |tx| {
        let channels = tx.channels();
        Ok((channels.key(&TEAM, &old)?, channels.key(&TEAM, &new)?, channels.key(&PAIR, &old)?))
    })
    .await?;
    ensure!(found == (Some(ended), Some(current), None), "keys are kept by channel, each as stored last");
    let keyring = |seq, byte| KeyringRow { at: point(seq), keyring: vec![byte; 5000] };
    write(store, move |tx| {
        tx.channels().put_keyring(&TEAM, keyring(0, 1))?;
        Ok(tx.channels().put_keyring(&TEAM, keyring(4, 2))?)
    })
    .await?;
    let (team, pair) = read(store, |tx| Ok((tx.channels().keyring(&TEAM)?, tx.channels().keyring(&PAIR)?))).await?;
    ensure!(team == Some(keyring(4, 2)) && pair.is_none(), "there is one keyring a channel, the newest");
    Ok(())
}

async fn group_infos(store: &dyn Store) -> Result<(), NonConformance> {
    let info = |seq, length| GroupInfoRow { at: point(seq), sealed: vec![7; length] };
    write(store, move |tx| {
        tx.channels().put_group_info(&TEAM, info(4, 200))?;
        tx.channels().put_group_info(&TEAM, info(0, 100))?;
        Ok(tx.channels().put_group_info(&PAIR, info(0, 300))?)
    })
    .await?;
    let found = read(store, |tx| {
        let channels = tx.channels();
        Ok((channels.group_info(&TEAM, 4)?, channels.group_info(&TEAM, 1)?, channels.oldest_group_info(&TEAM)?))
    })
    .await?;
    ensure!(found == (Some(info(4, 200)), None, Some((0, 100))), "GroupInfos are found by position, and the oldest");
    let newest = read(store, |tx| {
        let channels = tx.channels();
        let none = channels.newest_group_info(&ChannelId::new([3; 32]))?;
        Ok((channels.newest_group_info(&TEAM)?, channels.newest_group_info(&PAIR)?, none))
    })
    .await?;
    ensure!(newest == (Some(4), Some(0), None), "the newest GroupInfo of a channel is found");
    write(store, |tx| Ok(tx.channels().remove_group_info(&TEAM, 0)?)).await?;
    let oldest = read(store, |tx| {
        let channels = tx.channels();
        Ok((channels.oldest_group_info(&TEAM)?, channels.oldest_group_info(&PAIR)?))
    })
    .await?;
    ensure!(oldest == (Some((4, 200)), Some((0, 300))), "a GroupInfo is removed alone");
    Ok(())
}

async fn chunks(store: &dyn Store) -> Result<(), NonConformance> {
    let id = |number: u8| ChunkId::new([number; 32]);
    let in_use = |number: u8| Some(ChunkRow { sealed: vec![number; 600], until: None });
    let ended = |number: u8, until| Some(ChunkRow { sealed: vec![number; 600], until: Some(until) });
    let firsts = write(store, move |tx| {
        let channels = tx.channels();
        for number in 1..=4 {
            channels.put_chunk(&TEAM, &id(number), vec![number; 600])?;
        }
        channels.put_chunk(&PAIR, &id(1), vec![1; 600])?;
        let ends = (
            channels.end_chunk(&TEAM, &id(1), 4)?,
            channels.end_chunk(&TEAM, &id(1), 5)?,
            channels.end_chunk(&TEAM, &id(9), 4)?,
        );
        Ok((ends, channels.chunk_bytes(&TEAM)?, channels.chunk_bytes(&PAIR)?))
    })
    .await?;
    ensure!(firsts == ((true, false, false), 1800, 600), "a chunk in use ends once, and then does not count as in use");
    write(store, move |tx| {
        tx.channels().end_chunk(&TEAM, &id(2), 6)?;
        tx.channels().end_all_chunks(&TEAM, 8)?;
        Ok(tx.channels().put_chunk(&TEAM, &id(5), vec![5; 600])?)
    })
    .await?;
    let found = read(store, move |tx| {
        let channels = tx.channels();
        let team: Result<Vec<_>, _> = (1..=5).map(|number| channels.chunk(&TEAM, &id(number))).collect();
        Ok((team?, channels.chunk(&PAIR, &id(1))?, channels.chunk(&PAIR, &id(2))?))
    })
    .await?;
    let expected = vec![ended(1, 4), ended(2, 6), ended(3, 8), ended(4, 8), in_use(5)];
    ensure!(found == (expected, in_use(1), None), "chunks are kept by channel, each with its end");
    let dropped =
        write(store, |tx| Ok((tx.channels().drop_chunks(&TEAM, 3)?, tx.channels().drop_chunks(&TEAM, 6)?))).await?;
    let left = read(store, move |tx| {
        let channels = tx.channels();
        let team: Result<Vec<_>, _> = (1..=5).map(|number| channels.chunk(&TEAM, &id(number))).collect();
        Ok((team?, channels.chunk_bytes(&PAIR)?))
    })
    .await?;
    ensure!(dropped == (0, 1200), "what ended by then is dropped, and says its bytes");
    ensure!(left == (vec![None, None, ended(3, 8), ended(4, 8), in_use(5)], 600), "the rest is kept");
    Ok(())
}

async fn retention(store: &dyn Store) -> Result<(), NonConformance> {
    let (due, none, not_yet) = read(store, |tx| {
        let channels = tx.channels();
        Ok((channels.overdue(Minute(102), 9)?, channels.overdue(Minute(102), 0)?, channels.overdue(Minute(101), 9)?))
    })
    .await?;
    ensure!(due == [TEAM] && none.is_empty() && not_yet.is_empty(), "channels are overdue by their oldest entry");
    let ages = read(store, |tx| Ok(tx.channels().ages(&TEAM, 2, 2)?)).await?;
    ensure!(ages == [(2, 10, Minute(102)), (3, 10, Minute(103))], "ages come in order, with lengths");
    write(store, |tx| {
        tx.channels().drop_content(&TEAM, 4)?;
        Ok(tx.channels().save(&TEAM, &ChannelRow { first: 4, oldest: Some(Minute(104)), ..row(6) })?)
    })
    .await?;
    let (page, id, point, ages) = read(store, |tx| {
        let channels = tx.channels();
        let page = channels.page(&TEAM, 0, u64::MAX, PageLimit { entries: 9, bytes: 999 })?;
        Ok((page, channels.find_id(&TEAM, &entry(1).id)?, channels.point(&TEAM, 2)?, channels.ages(&TEAM, 1, 9)?.len()))
    })
    .await?;
    ensure!(page == [4, 5, 6].map(entry) && ages == 3, "dropped content is not shown");
    ensure!(id == Some(entry(1).at), "an id is known beyond retention");
    ensure!(point == Some(log_point(2)), "a point is known beyond retention");
    Ok(())
}

async fn removal(store: &dyn Store) -> Result<(), NonConformance> {
    write(store, |tx| Ok(tx.channels().remove(&TEAM)?)).await?;
    let gone = read(store, |tx: &mut dyn StoreTx| {
        let channels = tx.channels();
        let page = channels.page(&TEAM, 0, u64::MAX, PageLimit { entries: 9, bytes: 999 })?;
        Ok(channels.load(&TEAM)?.is_none()
            && page.is_empty()
            && channels.find_id(&TEAM, &entry(1).id)?.is_none()
            && channels.point(&TEAM, 1)?.is_none()
            && channels.key(&TEAM, &AccessPublicKey::new([1; 32]))?.is_none()
            && channels.keyring(&TEAM)?.is_none()
            && channels.chunk(&TEAM, &ChunkId::new([5; 32]))?.is_none()
            && channels.oldest_group_info(&TEAM)?.is_none())
    })
    .await?;
    ensure!(gone, "a removed channel leaves nothing");
    let other = read(store, |tx| Ok((tx.channels().load(&PAIR)?, tx.channels().oldest_group_info(&PAIR)?))).await?;
    ensure!(other.0.is_some() && other.1.is_some(), "removing a channel leaves the others");
    Ok(())
}

fn row(last: u64) -> ChannelRow {
    ChannelRow {
        access: AccessPublicKey::new([1; 32]),
        access_since: 0,
        last_commit: point(last / 2 * 2),
        last: point(last),
        first: 1,
        oldest: (last > 0).then_some(Minute(101)),
        bytes: last * 10,
        group_infos: 1,
        group_info_bytes: 100,
        created_with: Digest::new([9; 32]),
    }
}

fn entry(seq: u64) -> EntryRow {
    let commit = seq.is_multiple_of(2);
    EntryRow {
        at: point(seq),
        id: MessageId::new([byte(seq); 16]),
        kind: if commit { EntryKind::Commit } else { EntryKind::Message },
        after_commit: point(seq.saturating_sub(1) / 2 * 2),
        sealed: vec![byte(seq); 10],
        next_access: (seq == 4).then_some(AccessPublicKey::new([2; 32])),
        time: Minute(100 + u32::from(byte(seq))),
    }
}

fn log_point(seq: u64) -> LogPoint {
    let EntryRow { at, id, kind, after_commit, .. } = entry(seq);
    LogPoint { at, id, kind, after_commit }
}

fn point(position: u64) -> ChainPoint {
    ChainPoint { position, hash: ChainHash::new([byte(position); 32]) }
}

fn byte(value: u64) -> u8 {
    u8::try_from(value).unwrap_or(u8::MAX)
}
