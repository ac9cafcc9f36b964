//! Accounts, directory, invites, vaults and tokens.

use quicprochat_wire::{
    AccountId, DeviceId, DeviceKey,
    call::{
        auth::StretchParams,
        vault::{VaultRecord, VaultWrap},
    },
};

use super::{NonConformance, ensure};
use crate::store::{AccountRow, Day, DeviceRow, InviteRow, PasswordRow, Store, StoreTx, VaultRow, WayRow, read, write};

const ALICE: AccountId = AccountId::new([1; 32]);
const BOB: AccountId = AccountId::new([2; 32]);
const LAPTOP: DeviceId = DeviceId::new([0; 16]);
const PHONE: DeviceId = DeviceId::new([0xFF; 16]);

pub(super) async fn check(store: &dyn Store) -> Result<(), NonConformance> {
    accounts(store).await?;
    ways(store).await?;
    directory(store).await?;
    invites(store).await?;
    vaults(store).await?;
    tokens(store).await
}

async fn accounts(store: &dyn Store) -> Result<(), NonConformance> {
    write(store, |tx| {
        tx.accounts().insert(&ALICE, &account("alice"))?;
        Ok(tx.accounts().insert(&BOB, &account("bob"))?)
    })
    .await?;
    let password = PasswordRow { record: vec![7; 192], stretch: stretch(9), version: 2 };
    let changed = password.clone();
    write(store, move |tx| Ok(tx.accounts().set_password(&ALICE, &changed)?)).await?;
    let (by_name, nobody, row) = read(store, |tx| {
        Ok((tx.accounts().by_name("alice")?, tx.accounts().by_name("Alice")?, tx.accounts().load(&ALICE)?))
    })
    .await?;
    ensure!(by_name == Some(ALICE) && nobody.is_none(), "an account is found by its exact name");
    ensure!(row == Some(AccountRow { password, ..account("alice") }), "a password is replaced and nothing else");
    write(store, |tx| Ok(tx.accounts().remove(&ALICE)?)).await?;
    let (by_name, row, other) =
        read(store, |tx| Ok((tx.accounts().by_name("alice")?, tx.accounts().load(&ALICE)?, tx.accounts().load(&BOB)?)))
            .await?;
    ensure!(by_name.is_none() && row.is_none(), "a removed account is gone under name and id");
    ensure!(other == Some(account("bob")), "removing an account leaves the others");
    Ok(())
}

async fn ways(store: &dyn Store) -> Result<(), NonConformance> {
    let way = |byte, iterations| WayRow { record: vec![byte; 192], stretch: stretch(iterations) };
    write(store, move |tx| {
        tx.accounts().insert(&ALICE, &account("alice"))?;
        tx.accounts().set_way(&ALICE, 2, &way(1, 2))?;
        tx.accounts().set_way(&ALICE, 2, &way(2, 3))?;
        tx.accounts().set_way(&ALICE, u16::MAX, &way(3, 4))?;
        Ok(tx.accounts().set_way(&BOB, 2, &way(4, 5))?)
    })
    .await?;
    let of_both = |tx: &mut dyn StoreTx| {
        let accounts = tx.accounts();
        Ok((accounts.way(&ALICE, 2)?, accounts.way(&ALICE, u16::MAX)?, accounts.way(&BOB, 2)?))
    };
    let none = read(store, |tx| Ok((tx.accounts().way(&ALICE, 1)?, tx.accounts().way(&BOB, 3)?))).await?;
    ensure!(none == (None, None), "a way that an account does not have is none");
    let found = read(store, of_both).await?;
    let expected = (Some(way(2, 3)), Some(way(3, 4)), Some(way(4, 5)));
    ensure!(found == expected, "a way's record is what was stored last for account and way");
    let password = read(store, |tx| Ok(tx.accounts().load(&ALICE)?)).await?;
    ensure!(password == Some(account("alice")), "a way in beside the password changes nothing of the password");
    write(store, |tx| Ok(tx.accounts().remove(&ALICE)?)).await?;
    let found = read(store, of_both).await?;
    ensure!(found == (None, None, Some(way(4, 5))), "an account's ways go with it, and only its own");
    Ok(())
}

async fn directory(store: &dyn Store) -> Result<(), NonConformance> {
    write(store, |tx| {
        tx.directory().put_identity(&ALICE, &[1; 8192])?;
        tx.directory().put_identity(&ALICE, &[2; 8192])?;
        tx.directory().put_device(&ALICE, &device(PHONE, 1))?;
        tx.directory().put_device(&ALICE, &device(LAPTOP, 2))?;
        tx.directory().put_device(&ALICE, &device(PHONE, 3))?;
        Ok(tx.directory().put_device(&BOB, &device(PHONE, 4))?)
    })
    .await?;
    let (identity, devices, key, none) = read(store, |tx| {
        let directory = tx.directory();
        let key = directory.device_key(&ALICE, &PHONE)?;
        Ok((directory.identity(&ALICE)?, directory.devices(&ALICE)?, key, directory.device_key(&BOB, &LAPTOP)?))
    })
    .await?;
    ensure!(identity == Some(vec![2; 8192]), "an identity part is replaced");
    ensure!(devices == [device(LAPTOP, 2), device(PHONE, 3)], "devices come by id, each once");
    ensure!(key == Some(device(PHONE, 3).key) && none.is_none(), "a device's key is found by account and device");
    write(store, |tx| {
        tx.directory().remove_device(&ALICE, &PHONE)?;
        Ok(tx.directory().remove(&BOB)?)
    })
    .await?;
    let (alices, bobs) = read(store, |tx| Ok((tx.directory().devices(&ALICE)?, tx.directory().devices(&BOB)?))).await?;
    ensure!(alices == [device(LAPTOP, 2)] && bobs.is_empty(), "removed devices are gone, and only they");
    Ok(())
}

async fn invites(store: &dyn Store) -> Result<(), NonConformance> {
    let row = |code: &str, maker, day, used| InviteRow { code: code.to_owned(), maker, expires: Day(day), used };
    let rows = [row("b", Some(ALICE), 20, false), row("a", Some(ALICE), 20, false), row("c", Some(ALICE), 10, false)];
    let rest = [row("d", None, 10, false), row("a", Some(ALICE), 20, true)];
    write(store, move |tx| {
        for row in rows.iter().chain(&rest) {
            tx.invites().put(row)?;
        }
        Ok(())
    })
    .await?;
    let (of_alice, operators) =
        read(store, |tx| Ok((tx.invites().of_maker(&ALICE)?, tx.invites().by_code("d")?))).await?;
    let sorted = [row("c", Some(ALICE), 10, false), row("a", Some(ALICE), 20, true), row("b", Some(ALICE), 20, false)];
    ensure!(of_alice == sorted, "a maker's codes come by day of expiry, then by code, each once");
    ensure!(operators == Some(row("d", None, 10, false)), "a code without maker is found");
    let (first, second) =
        write(store, |tx| Ok((tx.invites().expire(Day(11), 1)?, tx.invites().expire(Day(11), 9)?))).await?;
    ensure!((first, second) == (1, 1), "expiry stops at its limit and goes on from there");
    write(store, |tx| Ok(tx.invites().remove_maker(&ALICE)?)).await?;
    let left = read(store, |tx| Ok(tx.invites().of_maker(&ALICE)?)).await?;
    ensure!(left.is_empty(), "a maker's codes are removed together");
    Ok(())
}

async fn vaults(store: &dyn Store) -> Result<(), NonConformance> {
    let wrap = |way, byte| VaultWrap { way, sealed: vec![byte; 72] };
    let record = |id, version, sealed: &[u8]| VaultRecord { id, version, sealed: sealed.to_vec() };
    let (first, second) = (record(1, 1, &[1; 512]), record(1, 2, &[]));
    let last = record(u32::MAX, 1, &[3; 600]);
    let stored = [first, second.clone(), last.clone()];
    write(store, move |tx| {
        tx.vaults().set_wraps(&ALICE, &[wrap(1, 1)])?;
        tx.vaults().set_wraps(&ALICE, &[wrap(2, 2), wrap(1, 3)])?;
        for record in &stored {
            tx.vaults().put(&ALICE, record)?;
        }
        Ok(tx.vaults().put(&BOB, &VaultRecord { id: 1, version: 5, sealed: vec![4] })?)
    })
    .await?;
    let (wraps, rows, removed, kept) = read(store, |tx| {
        let vaults = tx.vaults();
        Ok((vaults.wraps(&ALICE)?, vaults.rows(&ALICE)?, vaults.record(&ALICE, 1)?, vaults.record(&ALICE, u32::MAX)?))
    })
    .await?;
    ensure!(wraps == [wrap(1, 3), wrap(2, 2)], "wraps are replaced as a whole and come by way");
    let expected = [VaultRow { id: 1, version: 2, bytes: 0 }, VaultRow { id: u32::MAX, version: 1, bytes: 600 }];
    ensure!(rows == expected, "rows show version and size by id, also of removed records");
    ensure!(removed == Some(second) && kept == Some(last), "a record is what was stored last");
    write(store, |tx| Ok(tx.vaults().remove(&ALICE)?)).await?;
    let (alices, bobs) = read(store, |tx| Ok((tx.vaults().rows(&ALICE)?, tx.vaults().rows(&BOB)?))).await?;
    ensure!(alices.is_empty() && bobs.len() == 1, "removing a vault leaves the others");
    Ok(())
}

async fn tokens(store: &dyn Store) -> Result<(), NonConformance> {
    let spends = write(store, |tx| {
        let tokens = tx.tokens();
        Ok((tokens.spend(1, &[1; 32])?, tokens.spend(1, &[1; 32])?, tokens.spend(2, &[1; 32])?))
    })
    .await?;
    ensure!(spends == (true, false, true), "a token is spent once in each epoch");
    write(store, |tx| {
        tx.tokens().set_issued(&ALICE, Day(1), 32)?;
        tx.tokens().set_issued(&ALICE, Day(2), 32)?;
        tx.tokens().set_issued(&ALICE, Day(2), 64)?;
        Ok(tx.tokens().set_issued(&BOB, Day(2), 96)?)
    })
    .await?;
    let counts = |tx: &mut dyn StoreTx| {
        let tokens = tx.tokens();
        Ok((tokens.issued(&ALICE, Day(1))?, tokens.issued(&ALICE, Day(2))?, tokens.issued(&BOB, Day(2))?))
    };
    ensure!(read(store, counts).await? == (32, 64, 96), "issue counts are kept by account and day");
    let dropped = write(store, |tx| {
        Ok((tx.tokens().expire(Day(2), 2, 1)?, tx.tokens().expire(Day(2), 2, 9)?, tx.tokens().expire(Day(2), 2, 9)?))
    })
    .await?;
    ensure!(dropped == (1, 1, 0), "past days and epochs are forgotten, up to the limit at a time");
    ensure!(read(store, counts).await? == (0, 64, 96), "only past days are forgotten");
    ensure!(!write(store, |tx| Ok(tx.tokens().spend(2, &[1; 32])?)).await?, "only past epochs are forgotten");
    write(store, |tx| Ok(tx.tokens().remove(&ALICE)?)).await?;
    ensure!(read(store, counts).await? == (0, 0, 96), "removing an account's counts leaves the others");
    Ok(())
}

fn account(name: &str) -> AccountRow {
    let password = PasswordRow { record: vec![3; 192], stretch: stretch(3), version: 1 };
    AccountRow { name: name.to_owned(), password, created: Day(20_000) }
}

const fn stretch(iterations: u32) -> StretchParams {
    StretchParams { memory_kib: 65_536, iterations, parallelism: 1 }
}

fn device(device: DeviceId, byte: u8) -> DeviceRow {
    DeviceRow { device, key: DeviceKey::new([byte; 32]), key_package: vec![byte; 4096] }
}
