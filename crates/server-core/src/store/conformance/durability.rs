//! Transactions: all or nothing, one after the other, and still there after a restart.

use futures::future::join_all;
use quicprochat_wire::ErrorCode;

use super::{Fixture, NonConformance, ensure};
use crate::store::{Refusal, StateKey, Store, StoreFault, read, write};

const KEY: StateKey = StateKey::TokenSeed;

pub(super) async fn check(fixture: &mut dyn Fixture) -> Result<(), NonConformance> {
    let store = fixture.open().await;
    a_refused_job_leaves_no_trace(&*store).await?;
    a_reading_job_cannot_write(&*store).await?;
    jobs_follow_one_another(&*store).await?;
    a_value_is_removed(&*store).await?;
    let store = fixture.reopen(store).await;
    ensure!(number(&*store).await? == 64, "what was acknowledged is there after a restart");
    ensure!(recovery(&*store).await?.is_none(), "what was removed stays away");
    Ok(())
}

async fn a_value_is_removed(store: &dyn Store) -> Result<(), NonConformance> {
    write(store, |tx| Ok(tx.state().put(StateKey::Recovery, &[1; 17])?)).await?;
    ensure!(recovery(store).await? == Some(vec![1; 17]), "a value is kept as it was put");
    let refused: Result<(), Refusal> = write(store, |tx| {
        tx.state().remove(StateKey::Recovery)?;
        Err(ErrorCode::QuotaFull.into())
    })
    .await;
    ensure!(refused.is_err() && recovery(store).await?.is_some(), "a refused removal leaves the value");
    let refused: Result<(), Refusal> = read(store, |tx| Ok(tx.state().remove(StateKey::Recovery)?)).await;
    ensure!(refused == Err(StoreFault::ReadOnly.into()), "a removal in a reading job is refused as such");
    write(store, |tx| Ok(tx.state().remove(StateKey::Recovery)?)).await?;
    ensure!(recovery(store).await?.is_none() && number(store).await? == 64, "a value is removed alone");
    Ok(write(store, |tx| Ok(tx.state().remove(StateKey::Recovery)?)).await?)
}

async fn recovery(store: &dyn Store) -> Result<Option<Vec<u8>>, Refusal> {
    read(store, |tx| Ok(tx.state().get(StateKey::Recovery)?)).await
}

async fn a_refused_job_leaves_no_trace(store: &dyn Store) -> Result<(), NonConformance> {
    write(store, |tx| Ok(tx.state().put(KEY, &[0; 8])?)).await?;
    let refused: Result<(), Refusal> = write(store, |tx| {
        tx.state().put(KEY, &[9; 8])?;
        tx.state().put(StateKey::OpaqueSetup, &[9])?;
        tx.tokens().spend(7, &[7; 32])?;
        Err(ErrorCode::QuotaFull.into())
    })
    .await;
    ensure!(refused == Err(ErrorCode::QuotaFull.into()), "a refusal reaches the caller");
    let (kept, other) = read(store, |tx| Ok((tx.state().get(KEY)?, tx.state().get(StateKey::OpaqueSetup)?))).await?;
    ensure!(kept == Some(vec![0; 8]) && other.is_none(), "a refused job leaves no trace");
    ensure!(write(store, |tx| Ok(tx.tokens().spend(7, &[7; 32])?)).await?, "a refused job spends no token");
    Ok(())
}

async fn a_reading_job_cannot_write(store: &dyn Store) -> Result<(), NonConformance> {
    let refused: Result<(), Refusal> = read(store, |tx| Ok(tx.state().put(KEY, &[9; 8])?)).await;
    ensure!(refused == Err(StoreFault::ReadOnly.into()), "a write in a reading job is refused as such");
    ensure!(number(store).await? == 0, "a write in a reading job changes nothing");
    Ok(())
}

async fn jobs_follow_one_another(store: &dyn Store) -> Result<(), NonConformance> {
    // Submitted at once, so that a backend with group commit puts many into one transaction; every third is refused.
    let jobs = (0..96u64).map(|index| {
        write(store, move |tx| {
            let before = decode(tx.state().get(KEY)?);
            tx.state().put(KEY, &before.saturating_add(1).to_le_bytes())?;
            if index % 3 == 2 { Err(ErrorCode::RateLimited.into()) } else { Ok(before) }
        })
    });
    let outcomes = join_all(jobs).await;
    let mut seen: Vec<u64> = outcomes.iter().filter_map(|outcome| outcome.as_ref().ok().copied()).collect();
    seen.sort_unstable();
    ensure!(
        seen == (0..64).collect::<Vec<u64>>(),
        "each job sees what those before it did, and nothing of refused ones"
    );
    ensure!(
        outcomes.iter().filter(|outcome| **outcome == Err(ErrorCode::RateLimited.into())).count() == 32,
        "a refused job does not touch those beside it"
    );
    ensure!(number(store).await? == 64, "a reader sees what was acknowledged");
    Ok(())
}

async fn number(store: &dyn Store) -> Result<u64, Refusal> {
    read(store, |tx| Ok(decode(tx.state().get(KEY)?))).await
}

fn decode(value: Option<Vec<u8>>) -> u64 {
    value.and_then(|bytes| bytes.try_into().ok()).map_or(u64::MAX, u64::from_le_bytes)
}
