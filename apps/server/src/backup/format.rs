//! The bytes of a backup.
//!
//! ```text
//!   backup = "qpc server copy\n" || version u8 (1) || head || server key || (table || row*)* || end || SHA-256 of all before it
//!   frame  = kind u8 || length u32 || body                             numbers are big-endian
//!     1 head        JSON: program, made (ms since 1970), schema
//!     2 server key  PKCS #8, DER
//!     3 table       JSON: name, columns
//!     4 row         a value for each column: 0 null, 1 || i64, 2 || f64, 3 || length u32 || text, 4 || length u32 || bytes
//!     5 end         number of rows u64
//! ```

use std::io::{self, BufReader, BufWriter, Read, Write};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::BackupError;

const MAGIC: &[u8; 16] = b"qpc server copy\n";
/// The version that is written, and the highest that is read.
pub(super) const VERSION: u8 = 1;
/// Longest body of a frame; no row of the store comes near.
const MAX_BODY: usize = 64 << 20;
const BUFFER: usize = 256 * 1024;

const HEAD: u8 = 1;
const SERVER_KEY: u8 = 2;
const TABLE: u8 = 3;
const ROW: u8 = 4;
const END: u8 = 5;

/// What a backup says of itself.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Head {
    /// The program that made it.
    pub program: String,
    /// When, in milliseconds since 1970.
    pub made: u64,
    /// Version of the store's schema.
    pub schema: u32,
}

/// A table whose rows follow.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct TableHead {
    pub(crate) name: String,
    pub(crate) columns: Vec<String>,
}

/// A value of a row.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Cell<'v> {
    /// Nothing.
    Null,
    /// A number.
    Integer(i64),
    /// A number with a fraction.
    Real(f64),
    /// Text, as UTF-8.
    Text(&'v [u8]),
    /// Bytes.
    Bytes(&'v [u8]),
}

/// Writes frames.
pub struct FrameWriter<W: Write> {
    out: BufWriter<W>,
    hash: Sha256,
    bytes: u64,
    rows: u64,
    table: String,
    body: Vec<u8>,
}

impl<W: Write> FrameWriter<W> {
    /// Begins a backup.
    ///
    /// Errors:   the output's.
    pub fn begin(out: W, head: &Head, server_key: &[u8]) -> Result<Self, BackupError> {
        let out = BufWriter::with_capacity(BUFFER, out);
        let (table, body) = (String::new(), Vec::new());
        let mut writer = Self { out, hash: Sha256::new(), bytes: 0, rows: 0, table, body };
        writer.put(MAGIC)?;
        writer.put(&[VERSION])?;
        writer.json(HEAD, head)?;
        writer.frame(SERVER_KEY, server_key)?;
        Ok(writer)
    }

    /// Bytes that were written.
    pub const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Begins a table.
    pub(crate) fn table(&mut self, head: &TableHead) -> Result<(), BackupError> {
        self.table.clone_from(&head.name);
        self.json(TABLE, head)
    }

    /// Writes a row of the table begun last.
    ///
    /// Errors:   [`BackupError::TooLong`], or the output's.
    pub fn row<'v>(&mut self, cells: impl Iterator<Item = Cell<'v>>) -> Result<(), BackupError> {
        let mut body = core::mem::take(&mut self.body);
        body.clear();
        for cell in cells {
            encode(&mut body, cell);
        }
        self.rows = self.rows.saturating_add(1);
        let written = self.frame(ROW, &body);
        self.body = body;
        written
    }

    /// Ends the backup; hands back what it was written to, and its length.
    ///
    /// Errors:   the output's.
    pub fn finish(mut self) -> Result<(W, u64), BackupError> {
        self.frame(END, &self.rows.to_be_bytes())?;
        let digest = self.hash.clone().finalize();
        self.put(&digest)?;
        let bytes = self.bytes;
        let out = self.out.into_inner().map_err(|error| BackupError::stream(true)(error.into_error()))?;
        Ok((out, bytes))
    }

    fn json(&mut self, kind: u8, value: &impl Serialize) -> Result<(), BackupError> {
        let body = serde_json::to_vec(value).map_err(|error| BackupError::stream(true)(error.into()))?;
        self.frame(kind, &body)
    }

    fn frame(&mut self, kind: u8, body: &[u8]) -> Result<(), BackupError> {
        let length = u32::try_from(body.len()).ok().filter(|_| body.len() <= MAX_BODY);
        let length = length.ok_or_else(|| BackupError::TooLong { table: self.table.clone(), bytes: body.len() })?;
        self.put(&[kind])?;
        self.put(&length.to_be_bytes())?;
        self.put(body)
    }

    fn put(&mut self, bytes: &[u8]) -> Result<(), BackupError> {
        self.out.write_all(bytes).map_err(BackupError::stream(true))?;
        self.hash.update(bytes);
        self.bytes = self.bytes.saturating_add(bytes.len() as u64);
        Ok(())
    }
}

fn encode(body: &mut Vec<u8>, cell: Cell<'_>) {
    let mut long = |tag: u8, bytes: &[u8]| {
        body.push(tag);
        // A body that is too long is refused as a whole, so that no length here is ever cut.
        body.extend_from_slice(&u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_be_bytes());
        body.extend_from_slice(bytes);
    };
    match cell {
        Cell::Text(text) => long(3, text),
        Cell::Bytes(bytes) => long(4, bytes),
        Cell::Null => body.push(0),
        Cell::Integer(number) => {
            body.push(1);
            body.extend_from_slice(&number.to_be_bytes());
        }
        Cell::Real(number) => {
            body.push(2);
            body.extend_from_slice(&number.to_be_bytes());
        }
    }
}

/// A frame that was read.
pub(super) enum Frame {
    Head(Head),
    ServerKey(Zeroizing<Vec<u8>>),
    Table(TableHead),
    Row(Vec<u8>),
    /// The hash was right, and nothing follows.
    End,
}

/// Reads frames.
pub(super) struct FrameReader<R: Read> {
    input: BufReader<R>,
    hash: Sha256,
    bytes: u64,
    rows: u64,
}

impl<R: Read> FrameReader<R> {
    /// Reads how a backup begins.
    pub(super) fn begin(input: R) -> Result<Self, BackupError> {
        let input = BufReader::with_capacity(BUFFER, input);
        let mut reader = Self { input, hash: Sha256::new(), bytes: 0, rows: 0 };
        let magic = match reader.array::<16>() {
            Err(BackupError::Truncated { .. }) => return Err(BackupError::NotABackup),
            magic => magic?,
        };
        if magic != *MAGIC {
            return Err(BackupError::NotABackup);
        }
        match reader.array::<1>()? {
            [0] => Err(BackupError::Damaged { what: "its version is none" }),
            [VERSION] => Ok(reader),
            [found] => {
                let (found, known) = (found.into(), VERSION.into());
                Err(BackupError::LaterVersion { what: "format version", found, known })
            }
        }
    }

    /// Bytes that were read.
    pub(super) const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The next frame.
    pub(super) fn next(&mut self) -> Result<Frame, BackupError> {
        let [kind] = self.array::<1>()?;
        let length = usize::try_from(u32::from_be_bytes(self.array()?)).unwrap_or(usize::MAX);
        if length > MAX_BODY {
            return Err(BackupError::Damaged { what: "a length is none that is written" });
        }
        let body = self.body(length)?;
        Ok(match kind {
            HEAD => Frame::Head(parse(&body)?),
            SERVER_KEY => Frame::ServerKey(Zeroizing::new(body)),
            TABLE => Frame::Table(parse(&body)?),
            ROW => {
                self.rows = self.rows.saturating_add(1);
                Frame::Row(body)
            }
            END => {
                self.end(&body)?;
                Frame::End
            }
            _ => return Err(BackupError::Damaged { what: "a part is of no kind that is written" }),
        })
    }

    fn end(&mut self, body: &[u8]) -> Result<(), BackupError> {
        let expected: [u8; 32] = self.hash.clone().finalize().into();
        if self.array::<32>()? != expected {
            return Err(BackupError::Damaged { what: "its hash is another" });
        }
        if body != self.rows.to_be_bytes() {
            return Err(BackupError::Damaged { what: "the number of its rows is another" });
        }
        let mut more = [0];
        match self.input.read_exact(&mut more) {
            Ok(()) => Err(BackupError::Damaged { what: "something follows its end" }),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(()),
            Err(error) => Err(BackupError::stream(false)(error)),
        }
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], BackupError> {
        let body = self.body(N)?;
        body.try_into().map_err(|_| BackupError::Truncated { bytes: self.bytes })
    }

    /// Memory grows with what is there, not with what a length says.
    fn body(&mut self, length: usize) -> Result<Vec<u8>, BackupError> {
        let mut body = Vec::with_capacity(length.min(BUFFER));
        let read = (&mut self.input).take(length as u64).read_to_end(&mut body).map_err(BackupError::stream(false))?;
        self.hash.update(&body);
        self.bytes = self.bytes.saturating_add(read as u64);
        if read < length {
            return Err(BackupError::Truncated { bytes: self.bytes });
        }
        Ok(body)
    }
}

fn parse<'b, T: Deserialize<'b>>(body: &'b [u8]) -> Result<T, BackupError> {
    serde_json::from_slice(body).map_err(|_| BackupError::Damaged { what: "a heading cannot be read" })
}

/// The values of a row.
///
/// Errors:   [`BackupError::Damaged`] unless there are `columns` of them and nothing else.
pub(super) fn cells(mut body: &[u8], columns: usize) -> Result<Vec<Cell<'_>>, BackupError> {
    const DAMAGED: BackupError = BackupError::Damaged { what: "a row cannot be read" };
    fn take<'b>(body: &mut &'b [u8], length: usize) -> Result<&'b [u8], BackupError> {
        let (taken, rest) = body.split_at_checked(length).ok_or(DAMAGED)?;
        *body = rest;
        Ok(taken)
    }
    fn number<const N: usize>(body: &mut &[u8]) -> Result<[u8; N], BackupError> {
        take(body, N)?.try_into().map_err(|_| DAMAGED)
    }
    fn long<'b>(body: &mut &'b [u8]) -> Result<&'b [u8], BackupError> {
        let length = usize::try_from(u32::from_be_bytes(number(body)?)).map_err(|_| DAMAGED)?;
        take(body, length)
    }
    let mut cells = Vec::with_capacity(columns);
    while cells.len() < columns {
        cells.push(match number::<1>(&mut body)? {
            [0] => Cell::Null,
            [1] => Cell::Integer(i64::from_be_bytes(number(&mut body)?)),
            [2] => Cell::Real(f64::from_be_bytes(number(&mut body)?)),
            [3] => Cell::Text(long(&mut body)?),
            [4] => Cell::Bytes(long(&mut body)?),
            _ => return Err(DAMAGED),
        });
    }
    if body.is_empty() { Ok(cells) } else { Err(DAMAGED) }
}
