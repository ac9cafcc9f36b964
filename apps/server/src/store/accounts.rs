//! Accounts, account records and invite codes.

use quicprochat_server_core::store::{
    AccountRow, AccountStore, Day, DeviceRow, DirectoryStore, InviteRow, InviteStore, PasswordRow, StoreFault, WayRow,
};
use quicprochat_wire::{AccountId, DeviceId, DeviceKey, call::auth::StretchParams};
use rusqlite::{Error, Row, params};

use super::tx::{SqliteTx, count};

impl AccountStore for SqliteTx<'_> {
    fn by_name(&mut self, name: &str) -> Result<Option<AccountId>, StoreFault> {
        self.one("SELECT account FROM accounts WHERE name = ?1", [name], |row| Ok(AccountId::new(row.get(0)?)))
    }

    fn load(&mut self, account: &AccountId) -> Result<Option<AccountRow>, StoreFault> {
        self.one(
            "SELECT name, record, memory_kib, iterations, parallelism, password_version, created_day
             FROM accounts WHERE account = ?1",
            [account.as_bytes()],
            |row| {
                Ok(AccountRow {
                    name: row.get(0)?,
                    password: PasswordRow {
                        record: row.get(1)?,
                        stretch: StretchParams {
                            memory_kib: row.get(2)?,
                            iterations: row.get(3)?,
                            parallelism: row.get(4)?,
                        },
                        version: row.get(5)?,
                    },
                    created: Day(row.get(6)?),
                })
            },
        )
    }

    fn insert(&mut self, account: &AccountId, row: &AccountRow) -> Result<(), StoreFault> {
        let password = &row.password;
        self.write(
            "INSERT INTO accounts VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            params![
                account.as_bytes(),
                row.name,
                password.record,
                password.stretch.memory_kib,
                password.stretch.iterations,
                password.stretch.parallelism,
                password.version,
                row.created.0
            ],
        )?;
        Ok(())
    }

    fn set_password(&mut self, account: &AccountId, password: &PasswordRow) -> Result<(), StoreFault> {
        self.write(
            "UPDATE accounts SET record = ?2, memory_kib = ?3, iterations = ?4, parallelism = ?5, password_version = ?6
             WHERE account = ?1",
            params![
                account.as_bytes(),
                password.record,
                password.stretch.memory_kib,
                password.stretch.iterations,
                password.stretch.parallelism,
                password.version
            ],
        )?;
        Ok(())
    }

    fn way(&mut self, account: &AccountId, way: u16) -> Result<Option<WayRow>, StoreFault> {
        self.one(
            "SELECT record, memory_kib, iterations, parallelism FROM ways WHERE account = ?1 AND way = ?2",
            params![account.as_bytes(), way],
            |row| {
                let stretch =
                    StretchParams { memory_kib: row.get(1)?, iterations: row.get(2)?, parallelism: row.get(3)? };
                Ok(WayRow { record: row.get(0)?, stretch })
            },
        )
    }

    fn set_way(&mut self, account: &AccountId, way: u16, row: &WayRow) -> Result<(), StoreFault> {
        let StretchParams { memory_kib, iterations, parallelism } = row.stretch;
        self.write(
            "INSERT OR REPLACE INTO ways VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            params![account.as_bytes(), way, row.record, memory_kib, iterations, parallelism],
        )?;
        Ok(())
    }

    fn remove(&mut self, account: &AccountId) -> Result<(), StoreFault> {
        self.write("DELETE FROM accounts WHERE account = ?1", [account.as_bytes()])?;
        self.write("DELETE FROM ways WHERE account = ?1", [account.as_bytes()])?;
        Ok(())
    }
}

impl DirectoryStore for SqliteTx<'_> {
    fn identity(&mut self, account: &AccountId) -> Result<Option<Vec<u8>>, StoreFault> {
        self.one("SELECT part FROM identities WHERE account = ?1", [account.as_bytes()], |row| row.get(0))
    }

    fn put_identity(&mut self, account: &AccountId, row: &[u8]) -> Result<(), StoreFault> {
        self.write("INSERT OR REPLACE INTO identities VALUES (?1, ?2)", params![account.as_bytes(), row])?;
        Ok(())
    }

    fn devices(&mut self, account: &AccountId) -> Result<Vec<DeviceRow>, StoreFault> {
        self.all(
            "SELECT device, key, key_package FROM devices WHERE account = ?1 ORDER BY device",
            [account.as_bytes()],
            |row| {
                Ok(DeviceRow {
                    device: DeviceId::new(row.get(0)?),
                    key: DeviceKey::new(row.get(1)?),
                    key_package: row.get(2)?,
                })
            },
        )
    }

    fn device_key(&mut self, account: &AccountId, device: &DeviceId) -> Result<Option<DeviceKey>, StoreFault> {
        self.one(
            "SELECT key FROM devices WHERE account = ?1 AND device = ?2",
            [account.as_ref(), device.as_ref()],
            |row| Ok(DeviceKey::new(row.get(0)?)),
        )
    }

    fn put_device(&mut self, account: &AccountId, row: &DeviceRow) -> Result<(), StoreFault> {
        self.write(
            "INSERT OR REPLACE INTO devices VALUES (?1, ?2, ?3, ?4)",
            params![account.as_bytes(), row.device.as_bytes(), row.key.as_bytes(), row.key_package],
        )?;
        Ok(())
    }

    fn remove_device(&mut self, account: &AccountId, device: &DeviceId) -> Result<(), StoreFault> {
        self.write("DELETE FROM devices WHERE account = ?1 AND device = ?2", [account.as_ref(), device.as_ref()])?;
        Ok(())
    }

    fn remove(&mut self, account: &AccountId) -> Result<(), StoreFault> {
        self.write("DELETE FROM identities WHERE account = ?1", [account.as_bytes()])?;
        self.write("DELETE FROM devices WHERE account = ?1", [account.as_bytes()])?;
        Ok(())
    }
}

impl InviteStore for SqliteTx<'_> {
    fn by_code(&mut self, code: &str) -> Result<Option<InviteRow>, StoreFault> {
        self.one("SELECT code, maker, expires_day, used FROM invites WHERE code = ?1", [code], invite)
    }

    fn of_maker(&mut self, maker: &AccountId) -> Result<Vec<InviteRow>, StoreFault> {
        self.all(
            "SELECT code, maker, expires_day, used FROM invites WHERE maker = ?1 ORDER BY expires_day, code",
            [maker.as_bytes()],
            invite,
        )
    }

    fn put(&mut self, row: &InviteRow) -> Result<(), StoreFault> {
        let maker = row.maker.as_ref().map(AccountId::as_bytes);
        self.write(
            "INSERT OR REPLACE INTO invites VALUES (?1, ?2, ?3, ?4)",
            params![row.code, maker, row.expires.0, row.used],
        )?;
        Ok(())
    }

    fn remove_maker(&mut self, maker: &AccountId) -> Result<(), StoreFault> {
        self.write("DELETE FROM invites WHERE maker = ?1", [maker.as_bytes()])?;
        Ok(())
    }

    fn expire(&mut self, today: Day, limit: u32) -> Result<u32, StoreFault> {
        self.write(
            "DELETE FROM invites WHERE code IN (SELECT code FROM invites WHERE expires_day < ?1 LIMIT ?2)",
            params![today.0, limit],
        )
        .map(count)
    }
}

fn invite(row: &Row<'_>) -> Result<InviteRow, Error> {
    let maker: Option<[u8; 32]> = row.get(1)?;
    Ok(InviteRow { code: row.get(0)?, maker: maker.map(AccountId::new), expires: Day(row.get(2)?), used: row.get(3)? })
}
