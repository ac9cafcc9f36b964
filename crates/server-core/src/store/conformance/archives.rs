//! Archives.

use quicprochat_wire::{AccountId, ObjectId, call::archive::ArchiveEntry};

use super::{NonConformance, ensure};
use crate::store::{ArchiveRow, Refusal, Store, read, write};

const ALICE: AccountId = AccountId::new([1; 32]);
const BOB: AccountId = AccountId::new([2; 32]);

pub(super) async fn check(store: &dyn Store) -> Result<(), NonConformance> {
    let row = read(store, |tx| Ok(tx.archives().load(&ALICE)?)).await?;
    ensure!(row == ArchiveRow::default(), "an archive that nothing was put into is all zero");
    write(store, |tx| {
        for byte in [0, 3, 2, 255] {
            tx.archives().insert(&ALICE, &id(byte), &[byte; 300])?;
        }
        tx.archives().set_row(&ALICE, &ArchiveRow { objects: 9, bytes: 9 })?;
        tx.archives().set_row(&ALICE, &ArchiveRow { objects: 4, bytes: 1_200 })?;
        tx.archives().set_row(&BOB, &ArchiveRow { objects: 1, bytes: 4 })?;
        Ok(tx.archives().insert(&BOB, &id(3), &[7; 4])?)
    })
    .await?;
    let (row, object, none) = read(store, |tx| {
        let archives = tx.archives();
        Ok((archives.load(&ALICE)?, archives.object(&ALICE, &id(3))?, archives.object(&BOB, &id(2))?))
    })
    .await?;
    ensure!(row == ArchiveRow { objects: 4, bytes: 1_200 }, "an archive's row is what was set last");
    ensure!(object == Some(vec![3; 300]) && none.is_none(), "an object is found by account and id");
    pages(store).await?;
    removal(store).await
}

async fn pages(store: &dyn Store) -> Result<(), NonConformance> {
    let page = async |after: Option<u8>, limit| {
        let rows = read(store, move |tx| Ok(tx.archives().page(&ALICE, after.map(id).as_ref(), limit)?)).await?;
        Ok::<Vec<ArchiveEntry>, Refusal>(rows)
    };
    let entries =
        |bytes: &[u8]| bytes.iter().map(|byte| ArchiveEntry { id: id(*byte), bytes: 300 }).collect::<Vec<_>>();
    ensure!(
        page(None, 9).await? == entries(&[0, 2, 3, 255]),
        "a page has the account's objects by id, with their sizes"
    );
    ensure!(page(Some(0), 2).await? == entries(&[2, 3]), "a page begins after its cursor and ends at its limit");
    ensure!(page(Some(3), 9).await? == entries(&[255]), "a cursor need be no limit");
    ensure!(page(Some(255), 9).await?.is_empty(), "nothing is above the highest id");
    Ok(())
}

async fn removal(store: &dyn Store) -> Result<(), NonConformance> {
    let removed = write(store, |tx| {
        Ok((tx.archives().remove_object(&ALICE, &id(3))?, tx.archives().remove_object(&ALICE, &id(3))?))
    })
    .await?;
    ensure!(removed == (Some(300), None), "a removed object says its size once");
    write(store, |tx| Ok(tx.archives().remove(&ALICE)?)).await?;
    let (row, page, bobs, bobs_row) = read(store, |tx| {
        let archives = tx.archives();
        let (row, page) = (archives.load(&ALICE)?, archives.page(&ALICE, None, 9)?);
        Ok((row, page, archives.object(&BOB, &id(3))?, archives.load(&BOB)?))
    })
    .await?;
    ensure!(row == ArchiveRow::default() && page.is_empty(), "a removed archive is empty");
    ensure!(
        bobs == Some(vec![7; 4]) && bobs_row == ArchiveRow { objects: 1, bytes: 4 },
        "removing from an archive leaves the others"
    );
    Ok(())
}

const fn id(byte: u8) -> ObjectId {
    ObjectId::new([byte; 16])
}
