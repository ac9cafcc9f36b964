//! Empty on purpose: keeps a second `links = "sqlite3"` out of the lock file.
