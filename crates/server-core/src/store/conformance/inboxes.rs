//! Inboxes.

use quicprochat_wire::{AccountId, MessageId};

use super::{NonConformance, ensure};
use crate::store::{Day, InboxEntryRow, InboxRow, PageLimit, Refusal, Store, StoreTx, read, write};

const ALICE: AccountId = AccountId::new([1; 32]);
const BOB: AccountId = AccountId::new([2; 32]);

pub(super) async fn check(store: &dyn Store) -> Result<(), NonConformance> {
    let empty = read(store, |tx| Ok(tx.inboxes().load(&ALICE)?)).await?;
    ensure!(empty == InboxRow::default(), "an inbox that nothing came to is all zero");
    write(store, |tx| {
        for seq in 1..=5u8 {
            append(tx, ALICE, seq)?;
        }
        append(tx, BOB, 1)
    })
    .await?;
    pages(store).await?;
    let (found, other) =
        read(store, |tx| Ok((tx.inboxes().find_id(&ALICE, &entry(3).id)?, tx.inboxes().find_id(&BOB, &entry(3).id)?)))
            .await?;
    ensure!(found == Some(3) && other.is_none(), "an id is found in its own inbox");
    expiry(store).await
}

async fn pages(store: &dyn Store) -> Result<(), NonConformance> {
    let page = async |after, entries, bytes| {
        let rows = read(store, move |tx| Ok(tx.inboxes().page(&ALICE, after, PageLimit { entries, bytes })?)).await?;
        Ok::<Vec<InboxEntryRow>, Refusal>(rows)
    };
    ensure!(page(0, 9, 1000).await? == [1, 2, 3, 4, 5].map(entry), "a page has entries as stored, in order");
    ensure!(page(2, 2, 1000).await? == [3, 4].map(entry), "a page begins after its cursor and ends at its limit");
    ensure!(page(0, 9, 11).await? == [1, 2].map(entry), "the entry that reaches the byte limit ends the page");
    ensure!(page(0, 9, 0).await? == [1].map(entry), "a page has at least one entry if there is any");
    ensure!(page(5, 9, 1000).await?.is_empty() && page(u64::MAX, 9, 9).await?.is_empty(), "a page may be empty");
    Ok(())
}

async fn expiry(store: &dyn Store) -> Result<(), NonConformance> {
    let dropped = write(store, |tx| Ok((tx.inboxes().expire(Day(103), 2)?, tx.inboxes().expire(Day(103), 9)?))).await?;
    ensure!(dropped == (2, 1), "entries before the day expire, up to the limit at a time");
    let (alices, bobs) = read(store, |tx| Ok((tx.inboxes().load(&ALICE)?, tx.inboxes().load(&BOB)?))).await?;
    ensure!(alices == InboxRow { last: 5, entries: 3, bytes: 30 }, "expiry keeps the inbox's row right");
    ensure!(bobs == InboxRow { last: 1, entries: 0, bytes: 0 }, "a position is not given out twice");
    let found = read(store, |tx| Ok(tx.inboxes().find_id(&ALICE, &entry(1).id)?)).await?;
    ensure!(found.is_none(), "an id goes with its entry");
    write(store, |tx| Ok(tx.inboxes().remove(&ALICE)?)).await?;
    let (row, page) = read(store, |tx| {
        let limit = PageLimit { entries: 9, bytes: 1000 };
        Ok((tx.inboxes().load(&ALICE)?, tx.inboxes().page(&ALICE, 0, limit)?))
    })
    .await?;
    ensure!(row == InboxRow::default() && page.is_empty(), "a removed inbox is empty");
    Ok(())
}

fn append(tx: &mut dyn StoreTx, account: AccountId, seq: u8) -> Result<(), Refusal> {
    let before = tx.inboxes().load(&account)?;
    let row = InboxRow { last: u64::from(seq), entries: before.entries + 1, bytes: before.bytes + 10 };
    Ok(tx.inboxes().append(&account, &row, &entry(seq))?)
}

fn entry(seq: u8) -> InboxEntryRow {
    InboxEntryRow {
        seq: u64::from(seq),
        id: MessageId::new([seq; 16]),
        sealed: vec![seq; 10],
        day: Day(100 + u32::from(seq)),
    }
}
