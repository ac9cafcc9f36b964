//! Vaults, tokens, and what the server itself must remember.

use quicprochat_server_core::store::{Day, StateKey, StateStore, StoreFault, TokenStore, VaultRow, VaultStore};
use quicprochat_wire::{
    AccountId,
    call::vault::{VaultRecord, VaultWrap},
};
use rusqlite::params;

use super::tx::{SqliteTx, count, signed, unsigned};

impl VaultStore for SqliteTx<'_> {
    fn wraps(&mut self, account: &AccountId) -> Result<Vec<VaultWrap>, StoreFault> {
        self.all("SELECT way, sealed FROM vault_wraps WHERE account = ?1 ORDER BY way", [account.as_bytes()], |row| {
            Ok(VaultWrap { way: row.get(0)?, sealed: row.get(1)? })
        })
    }

    fn set_wraps(&mut self, account: &AccountId, wraps: &[VaultWrap]) -> Result<(), StoreFault> {
        self.write("DELETE FROM vault_wraps WHERE account = ?1", [account.as_bytes()])?;
        for wrap in wraps {
            self.write(
                "INSERT OR REPLACE INTO vault_wraps VALUES (?1, ?2, ?3)",
                params![account.as_bytes(), wrap.way, wrap.sealed],
            )?;
        }
        Ok(())
    }

    fn rows(&mut self, account: &AccountId) -> Result<Vec<VaultRow>, StoreFault> {
        self.all(
            "SELECT id, version, length(sealed) FROM vault_records WHERE account = ?1 ORDER BY id",
            [account.as_bytes()],
            |row| Ok(VaultRow { id: row.get(0)?, version: unsigned(row, 1)?, bytes: unsigned(row, 2)? }),
        )
    }

    fn record(&mut self, account: &AccountId, id: u32) -> Result<Option<VaultRecord>, StoreFault> {
        self.one(
            "SELECT version, sealed FROM vault_records WHERE account = ?1 AND id = ?2",
            params![account.as_bytes(), id],
            |row| Ok(VaultRecord { id, version: unsigned(row, 0)?, sealed: row.get(1)? }),
        )
    }

    fn put(&mut self, account: &AccountId, record: &VaultRecord) -> Result<(), StoreFault> {
        self.write(
            "INSERT OR REPLACE INTO vault_records VALUES (?1, ?2, ?3, ?4)",
            params![account.as_bytes(), record.id, signed(record.version)?, record.sealed],
        )?;
        Ok(())
    }

    fn remove(&mut self, account: &AccountId) -> Result<(), StoreFault> {
        self.write("DELETE FROM vault_wraps WHERE account = ?1", [account.as_bytes()])?;
        self.write("DELETE FROM vault_records WHERE account = ?1", [account.as_bytes()])?;
        Ok(())
    }
}

impl TokenStore for SqliteTx<'_> {
    fn issued(&mut self, account: &AccountId, day: Day) -> Result<u32, StoreFault> {
        let count = self.one(
            "SELECT count FROM tokens_issued WHERE account = ?1 AND day = ?2",
            params![account.as_bytes(), day.0],
            |row| row.get(0),
        )?;
        Ok(count.unwrap_or(0))
    }

    fn set_issued(&mut self, account: &AccountId, day: Day, count: u32) -> Result<(), StoreFault> {
        self.write(
            "INSERT OR REPLACE INTO tokens_issued VALUES (?1, ?2, ?3)",
            params![account.as_bytes(), day.0, count],
        )?;
        Ok(())
    }

    fn spend(&mut self, epoch: u32, nonce: &[u8; 32]) -> Result<bool, StoreFault> {
        self.write("INSERT OR IGNORE INTO tokens_spent VALUES (?1, ?2)", params![epoch, nonce]).map(|rows| rows > 0)
    }

    fn remove(&mut self, account: &AccountId) -> Result<(), StoreFault> {
        self.write("DELETE FROM tokens_issued WHERE account = ?1", [account.as_bytes()])?;
        Ok(())
    }

    fn expire(&mut self, day: Day, epoch: u32, limit: u32) -> Result<u32, StoreFault> {
        let counts = self
            .write(
                "DELETE FROM tokens_issued WHERE (account, day) IN
                 (SELECT account, day FROM tokens_issued WHERE day < ?1 LIMIT ?2)",
                params![day.0, limit],
            )
            .map(count)?;
        let spent = self.write(
            "DELETE FROM tokens_spent WHERE (epoch, nonce) IN
             (SELECT epoch, nonce FROM tokens_spent WHERE epoch < ?1 LIMIT ?2)",
            params![epoch, limit.saturating_sub(counts)],
        );
        Ok(counts.saturating_add(spent.map(count)?))
    }
}

impl StateStore for SqliteTx<'_> {
    fn get(&mut self, key: StateKey) -> Result<Option<Vec<u8>>, StoreFault> {
        self.one("SELECT value FROM state WHERE key = ?1", [key.name()], |row| row.get(0))
    }

    fn put(&mut self, key: StateKey, value: &[u8]) -> Result<(), StoreFault> {
        self.write("INSERT OR REPLACE INTO state VALUES (?1, ?2)", params![key.name(), value])?;
        Ok(())
    }

    fn remove(&mut self, key: StateKey) -> Result<(), StoreFault> {
        self.write("DELETE FROM state WHERE key = ?1", [key.name()])?;
        Ok(())
    }
}
