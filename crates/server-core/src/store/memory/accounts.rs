//! Accounts, directory, invites and vaults in memory.

use quicprochat_wire::{
    AccountId, DeviceId, DeviceKey,
    call::vault::{VaultRecord, VaultWrap},
};

use super::tables::Tables;
use crate::store::{
    AccountRow, AccountStore, Day, DeviceRow, DirectoryStore, InviteRow, InviteStore, PasswordRow, StoreFault,
    VaultRow, VaultStore, WayRow,
};

impl AccountStore for Tables {
    fn by_name(&mut self, name: &str) -> Result<Option<AccountId>, StoreFault> {
        Ok(self.names.get(&name.to_owned()).copied())
    }

    fn load(&mut self, account: &AccountId) -> Result<Option<AccountRow>, StoreFault> {
        Ok(self.accounts.get(account).cloned())
    }

    fn insert(&mut self, account: &AccountId, row: &AccountRow) -> Result<(), StoreFault> {
        self.check_writable()?;
        self.names.insert(row.name.clone(), *account);
        self.accounts.insert(*account, row.clone());
        Ok(())
    }

    fn set_password(&mut self, account: &AccountId, password: &PasswordRow) -> Result<(), StoreFault> {
        self.check_writable()?;
        if let Some(row) = self.accounts.get(account) {
            let row = AccountRow { password: password.clone(), ..row.clone() };
            self.accounts.insert(*account, row);
        }
        Ok(())
    }

    fn way(&mut self, account: &AccountId, way: u16) -> Result<Option<WayRow>, StoreFault> {
        Ok(self.ways.get(&(*account, way)).cloned())
    }

    fn set_way(&mut self, account: &AccountId, way: u16, row: &WayRow) -> Result<(), StoreFault> {
        self.check_writable()?;
        self.ways.insert((*account, way), row.clone());
        Ok(())
    }

    fn remove(&mut self, account: &AccountId) -> Result<(), StoreFault> {
        self.check_writable()?;
        self.ways.remove_where((*account, 0)..=(*account, u16::MAX), |_, _| true);
        if let Some(row) = self.accounts.get(account).cloned() {
            self.names.remove(&row.name);
            self.accounts.remove(account);
        }
        Ok(())
    }
}

impl DirectoryStore for Tables {
    fn identity(&mut self, account: &AccountId) -> Result<Option<Vec<u8>>, StoreFault> {
        Ok(self.identities.get(account).cloned())
    }

    fn put_identity(&mut self, account: &AccountId, row: &[u8]) -> Result<(), StoreFault> {
        self.check_writable()?;
        self.identities.insert(*account, row.to_vec());
        Ok(())
    }

    fn devices(&mut self, account: &AccountId) -> Result<Vec<DeviceRow>, StoreFault> {
        Ok(self.devices.range(devices_of(account)).map(|(_, row)| row.clone()).collect())
    }

    fn device_key(&mut self, account: &AccountId, device: &DeviceId) -> Result<Option<DeviceKey>, StoreFault> {
        Ok(self.devices.get(&(*account, *device)).map(|row| row.key))
    }

    fn put_device(&mut self, account: &AccountId, row: &DeviceRow) -> Result<(), StoreFault> {
        self.check_writable()?;
        self.devices.insert((*account, row.device), row.clone());
        Ok(())
    }

    fn remove_device(&mut self, account: &AccountId, device: &DeviceId) -> Result<(), StoreFault> {
        self.check_writable()?;
        self.devices.remove(&(*account, *device));
        Ok(())
    }

    fn remove(&mut self, account: &AccountId) -> Result<(), StoreFault> {
        self.check_writable()?;
        self.identities.remove(account);
        self.devices.remove_where(devices_of(account), |_, _| true);
        Ok(())
    }
}

fn devices_of(account: &AccountId) -> core::ops::RangeInclusive<(AccountId, DeviceId)> {
    (*account, DeviceId::new([0; 16]))..=(*account, DeviceId::new([u8::MAX; 16]))
}

impl InviteStore for Tables {
    fn by_code(&mut self, code: &str) -> Result<Option<InviteRow>, StoreFault> {
        Ok(self.invites.get(&code.to_owned()).cloned())
    }

    fn of_maker(&mut self, maker: &AccountId) -> Result<Vec<InviteRow>, StoreFault> {
        let mut rows: Vec<InviteRow> =
            self.invites.iter().filter(|(_, row)| row.maker == Some(*maker)).map(|(_, row)| row.clone()).collect();
        rows.sort_by(|a, b| (a.expires, &a.code).cmp(&(b.expires, &b.code)));
        Ok(rows)
    }

    fn put(&mut self, row: &InviteRow) -> Result<(), StoreFault> {
        self.check_writable()?;
        self.invites.insert(row.code.clone(), row.clone());
        Ok(())
    }

    fn remove_maker(&mut self, maker: &AccountId) -> Result<(), StoreFault> {
        self.check_writable()?;
        self.invites.remove_where(.., |_, row| row.maker == Some(*maker));
        Ok(())
    }

    fn expire(&mut self, today: Day, limit: u32) -> Result<u32, StoreFault> {
        self.check_writable()?;
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let codes: Vec<String> = self
            .invites
            .iter()
            .filter(|(_, row)| row.expires < today)
            .map(|(code, _)| code.clone())
            .take(limit)
            .collect();
        for code in &codes {
            self.invites.remove(code);
        }
        Ok(u32::try_from(codes.len()).unwrap_or(u32::MAX))
    }
}

impl VaultStore for Tables {
    fn wraps(&mut self, account: &AccountId) -> Result<Vec<VaultWrap>, StoreFault> {
        Ok(self.wraps.get(account).cloned().unwrap_or_default())
    }

    fn set_wraps(&mut self, account: &AccountId, wraps: &[VaultWrap]) -> Result<(), StoreFault> {
        self.check_writable()?;
        let mut wraps = wraps.to_vec();
        wraps.sort_by_key(|wrap| wrap.way);
        self.wraps.insert(*account, wraps);
        Ok(())
    }

    fn rows(&mut self, account: &AccountId) -> Result<Vec<VaultRow>, StoreFault> {
        let row = |record: &VaultRecord| VaultRow {
            id: record.id,
            version: record.version,
            bytes: u64::try_from(record.sealed.len()).unwrap_or(u64::MAX),
        };
        Ok(self.records.range((*account, 0)..=(*account, u32::MAX)).map(|(_, record)| row(record)).collect())
    }

    fn record(&mut self, account: &AccountId, id: u32) -> Result<Option<VaultRecord>, StoreFault> {
        Ok(self.records.get(&(*account, id)).cloned())
    }

    fn put(&mut self, account: &AccountId, record: &VaultRecord) -> Result<(), StoreFault> {
        self.check_writable()?;
        self.records.insert((*account, record.id), record.clone());
        Ok(())
    }

    fn remove(&mut self, account: &AccountId) -> Result<(), StoreFault> {
        self.check_writable()?;
        self.wraps.remove(account);
        self.records.remove_where((*account, 0)..=(*account, u32::MAX), |_, _| true);
        Ok(())
    }
}
