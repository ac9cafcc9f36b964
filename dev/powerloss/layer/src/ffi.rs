//! The functions of the C library that change files, with the kernel called directly.
//!
//! What is exported here stands before the C library for the whole program, this library included. Descriptors that are no file of
//! the disk go straight to the kernel, without a lock or memory being taken: a signal handler may call `write`.
#![expect(unsafe_code, reason = "this is the one module that stands in for the C library")]

use std::ffi::{CStr, OsStr, OsString, c_char, c_int, c_long, c_uint};
use std::mem::MaybeUninit;
use std::os::unix::ffi::OsStrExt;
use std::slice;

use libc::{AT_FDCWD, AT_REMOVEDIR, O_CREAT, O_TMPFILE, O_TRUNC, iovec, mode_t, off_t, size_t, ssize_t};
use quicprochat_powerloss::record::Record;

use crate::layer::Layer;

/// Asks the kernel; -1 and `errno` as the C library has it.
macro_rules! kernel {
    ($number:ident $(, $argument:expr)*) => {
        // SAFETY: the arguments are those of the caller, unchanged; what holds for the function holds for the call.
        unsafe { libc::syscall(libc::$number $(, $argument)*) }
    };
}

/// Exports a function under one or two names.
macro_rules! export {
    ($one:ident, $other:ident $($function:tt)+) => {
        export!($one $($function)+);
        export!($other $($function)+);
    };
    ($name:ident($($argument:ident: $kind:ty),*) -> $result:ty = $target:ident) => {
        // SAFETY: it has the name and the arguments of the C library's function; a variable argument is passed as a
        // plain one is on this platform, and read only where the caller must have passed it.
        #[unsafe(no_mangle)]
        unsafe extern "C" fn $name($($argument: $kind),*) -> $result {
            // SAFETY: what the caller promises the C library it promises here.
            unsafe { $target($($argument),*) }
        }
    };
}

export!(openat, openat64(folder: c_int, path: *const c_char, flags: c_int, mode: mode_t) -> c_int = open_in);
export!(open, open64(path: *const c_char, flags: c_int, mode: mode_t) -> c_int = open_here);
export!(creat, creat64(path: *const c_char, mode: mode_t) -> c_int = create_here);
export!(write(file: c_int, data: *const u8, count: size_t) -> ssize_t = write_on);
export!(pwrite, pwrite64(file: c_int, data: *const u8, count: size_t, offset: off_t) -> ssize_t = write_at);
export!(writev(file: c_int, parts: *const iovec, count: c_int) -> ssize_t = write_parts_on);
export!(pwritev, pwritev64(file: c_int, parts: *const iovec, count: c_int, offset: off_t) -> ssize_t = write_parts_at);
export!(ftruncate, ftruncate64(file: c_int, length: off_t) -> c_int = resize);
export!(fsync(file: c_int) -> c_int = sync_all);
export!(fdatasync(file: c_int) -> c_int = sync_data);
export!(rename(from: *const c_char, to: *const c_char) -> c_int = rename_here);
export!(renameat(old: c_int, from: *const c_char, new: c_int, to: *const c_char) -> c_int = rename_in);
export!(renameat2(old: c_int, from: *const c_char, new: c_int, to: *const c_char, flags: c_uint) -> c_int = rename_with);
export!(link(from: *const c_char, to: *const c_char) -> c_int = link_here);
export!(linkat(old: c_int, from: *const c_char, new: c_int, to: *const c_char, flags: c_int) -> c_int = link_in);
export!(unlink(path: *const c_char) -> c_int = unlink_here);
export!(rmdir(path: *const c_char) -> c_int = remove_folder_here);
export!(unlinkat(folder: c_int, path: *const c_char, flags: c_int) -> c_int = unlink_in);
export!(mkdir(path: *const c_char, mode: mode_t) -> c_int = make_folder_here);
export!(mkdirat(folder: c_int, path: *const c_char, mode: mode_t) -> c_int = make_folder_in);

/// A file of the disk.
struct Target {
    layer: &'static Layer,
    node: u64,
}

unsafe fn open_here(path: *const c_char, flags: c_int, mode: mode_t) -> c_int {
    // SAFETY: as the caller promises.
    unsafe { open_in(AT_FDCWD, path, flags, mode) }
}

unsafe fn create_here(path: *const c_char, mode: mode_t) -> c_int {
    // SAFETY: as the caller promises.
    unsafe { open_in(AT_FDCWD, path, O_CREAT | libc::O_WRONLY | O_TRUNC, mode) }
}

unsafe fn open_in(folder: c_int, path: *const c_char, flags: c_int, mode: mode_t) -> c_int {
    let makes = flags & O_CREAT != 0 || flags & O_TMPFILE == O_TMPFILE;
    let mode = if makes { mode } else { 0 };
    // While the layer itself opens its journal there is none yet, and nothing is made or cut.
    let layer = if flags & (O_CREAT | O_TRUNC) == 0 { None } else { Layer::get() };
    let Some(layer) = layer else { return kernel!(SYS_openat, folder, path, flags, mode) as c_int };
    let mut turn = layer.turn();
    let file = kernel!(SYS_openat, folder, path, flags, mode) as c_int;
    if file >= 0
        && let (Some(name), Some((node, mode))) = (layer.name_of(file), look_at(file))
        && mode & libc::S_IFMT == libc::S_IFREG
    {
        turn.log(&Record::Opened { node, mode: mode & 0o7777, path: name.as_bytes() });
        if flags & O_TRUNC != 0 {
            turn.log(&Record::Resized { node, length: 0 });
        }
    }
    file
}

unsafe fn write_on(file: c_int, data: *const u8, count: size_t) -> ssize_t {
    let Some(target) = target(file) else { return kernel!(SYS_write, file, data, count) as ssize_t };
    let mut turn = target.layer.turn();
    let written = kernel!(SYS_write, file, data, count) as ssize_t;
    if let Ok(length) = usize::try_from(written) {
        // SAFETY: the kernel has read this many bytes there.
        let data = unsafe { slice::from_raw_parts(data, length) };
        turn.log(&Record::Written { node: target.node, offset: begin_of_last(file, length), data });
    }
    written
}

unsafe fn write_at(file: c_int, data: *const u8, count: size_t, offset: off_t) -> ssize_t {
    let Some(target) = target(file) else { return kernel!(SYS_pwrite64, file, data, count, offset) as ssize_t };
    let mut turn = target.layer.turn();
    let written = kernel!(SYS_pwrite64, file, data, count, offset) as ssize_t;
    if let Ok(length) = usize::try_from(written) {
        // SAFETY: the kernel has read this many bytes there.
        let data = unsafe { slice::from_raw_parts(data, length) };
        turn.log(&Record::Written { node: target.node, offset: offset as u64, data });
    }
    written
}

unsafe fn write_parts_on(file: c_int, parts: *const iovec, count: c_int) -> ssize_t {
    let Some(target) = target(file) else { return kernel!(SYS_writev, file, parts, count) as ssize_t };
    let mut turn = target.layer.turn();
    let written = kernel!(SYS_writev, file, parts, count) as ssize_t;
    if let Ok(length) = usize::try_from(written) {
        // SAFETY: the kernel has read these parts.
        let data = unsafe { gather(parts, count, length) };
        turn.log(&Record::Written { node: target.node, offset: begin_of_last(file, length), data: &data });
    }
    written
}

unsafe fn write_parts_at(file: c_int, parts: *const iovec, count: c_int, offset: off_t) -> ssize_t {
    // The kernel takes the offset in two halves, of which the second is empty on machines with 64 bits.
    let ask = || kernel!(SYS_pwritev, file, parts, count, offset, 0 as c_long) as ssize_t;
    let Some(target) = target(file) else { return ask() };
    let mut turn = target.layer.turn();
    let written = ask();
    if let Ok(length) = usize::try_from(written) {
        // SAFETY: the kernel has read these parts.
        let data = unsafe { gather(parts, count, length) };
        turn.log(&Record::Written { node: target.node, offset: offset as u64, data: &data });
    }
    written
}

unsafe fn resize(file: c_int, length: off_t) -> c_int {
    let Some(target) = target(file) else { return kernel!(SYS_ftruncate, file, length) as c_int };
    let mut turn = target.layer.turn();
    let done = kernel!(SYS_ftruncate, file, length) as c_int;
    if done == 0 {
        turn.log(&Record::Resized { node: target.node, length: length as u64 });
    }
    done
}

unsafe fn sync_all(file: c_int) -> c_int {
    sync(file, || kernel!(SYS_fsync, file) as c_int)
}

unsafe fn sync_data(file: c_int) -> c_int {
    sync(file, || kernel!(SYS_fdatasync, file) as c_int)
}

/// A sync covers what was done before it began, and counts when it has ended. Others go on meanwhile.
fn sync(file: c_int, ask: impl FnOnce() -> c_int) -> c_int {
    let Some(target) = target(file) else { return ask() };
    let ticket = target.layer.ticket();
    target.layer.turn().log(&Record::SyncBegun { node: target.node, ticket });
    let done = ask();
    if done == 0 {
        target.layer.turn().log(&Record::SyncEnded { ticket });
    }
    done
}

unsafe fn rename_here(from: *const c_char, to: *const c_char) -> c_int {
    // SAFETY: as the caller promises.
    unsafe { rename_with(AT_FDCWD, from, AT_FDCWD, to, 0) }
}

unsafe fn rename_in(old: c_int, from: *const c_char, new: c_int, to: *const c_char) -> c_int {
    // SAFETY: as the caller promises.
    unsafe { rename_with(old, from, new, to, 0) }
}

unsafe fn rename_with(old: c_int, from: *const c_char, new: c_int, to: *const c_char, flags: c_uint) -> c_int {
    // SAFETY: both are strings, as the caller promises.
    let names = unsafe { (name(old, from), name(new, to)) };
    step(
        || kernel!(SYS_renameat2, old, from, new, to, flags) as c_int,
        || match &names {
            (Some(from), Some(to)) => Some(Record::Renamed { from: from.as_bytes(), to: to.as_bytes() }),
            _ => None,
        },
    )
}

unsafe fn link_here(from: *const c_char, to: *const c_char) -> c_int {
    // SAFETY: as the caller promises.
    unsafe { link_in(AT_FDCWD, from, AT_FDCWD, to, 0) }
}

unsafe fn link_in(old: c_int, from: *const c_char, new: c_int, to: *const c_char, flags: c_int) -> c_int {
    // SAFETY: both are strings, as the caller promises.
    let names = unsafe { (name(old, from), name(new, to)) };
    step(
        || kernel!(SYS_linkat, old, from, new, to, flags) as c_int,
        || match &names {
            (Some(from), Some(to)) => Some(Record::Linked { from: from.as_bytes(), to: to.as_bytes() }),
            _ => None,
        },
    )
}

unsafe fn unlink_here(path: *const c_char) -> c_int {
    // SAFETY: as the caller promises.
    unsafe { unlink_in(AT_FDCWD, path, 0) }
}

unsafe fn remove_folder_here(path: *const c_char) -> c_int {
    // SAFETY: as the caller promises.
    unsafe { unlink_in(AT_FDCWD, path, AT_REMOVEDIR) }
}

unsafe fn unlink_in(folder: c_int, path: *const c_char, flags: c_int) -> c_int {
    // SAFETY: it is a string, as the caller promises.
    let name = unsafe { name(folder, path) };
    step(
        || kernel!(SYS_unlinkat, folder, path, flags) as c_int,
        || name.as_ref().map(|name| Record::Removed { path: name.as_bytes() }),
    )
}

unsafe fn make_folder_here(path: *const c_char, mode: mode_t) -> c_int {
    // SAFETY: as the caller promises.
    unsafe { make_folder_in(AT_FDCWD, path, mode) }
}

unsafe fn make_folder_in(folder: c_int, path: *const c_char, mode: mode_t) -> c_int {
    // SAFETY: it is a string, as the caller promises.
    let name = unsafe { name(folder, path) };
    step(
        || kernel!(SYS_mkdirat, folder, path, mode) as c_int,
        || {
            let name = name.as_ref()?;
            let mut found = MaybeUninit::uninit();
            // SAFETY: the path is a string, and the kernel fills what it says it has found.
            let (node, mode) = unsafe {
                (libc::fstatat(folder, path, found.as_mut_ptr(), 0) == 0).then(|| numbers(&found.assume_init()))?
            };
            Some(Record::FolderMade { node, mode: mode & 0o7777, path: name.as_bytes() })
        },
    )
}

/// Changes names under the lock, and writes it down if it is done and on the disk.
fn step<'a>(ask: impl FnOnce() -> c_int, record: impl FnOnce() -> Option<Record<'a>>) -> c_int {
    let mut turn = Layer::get().map(Layer::turn);
    let done = ask();
    if done == 0
        && let Some(turn) = &mut turn
        && let Some(record) = record()
    {
        turn.log(&record);
    }
    done
}

/// What a descriptor stands for, if it is a file or folder of the disk.
fn target(file: c_int) -> Option<Target> {
    let (node, mode) = look_at(file)?;
    if !matches!(mode & libc::S_IFMT, libc::S_IFREG | libc::S_IFDIR) {
        return None;
    }
    let layer = Layer::get()?;
    layer.name_of(file).map(|_| Target { layer, node })
}

/// Number and kind of what a descriptor stands for.
fn look_at(file: c_int) -> Option<(u64, mode_t)> {
    let mut found = MaybeUninit::uninit();
    // SAFETY: the kernel fills what it says it has found.
    unsafe { (libc::fstat(file, found.as_mut_ptr()) == 0).then(|| numbers(&found.assume_init())) }
}

const fn numbers(found: &libc::stat) -> (u64, mode_t) {
    (found.st_ino, found.st_mode)
}

/// Where in a file the bytes begin that were written last through this descriptor.
fn begin_of_last(file: c_int, length: usize) -> u64 {
    // SAFETY: it takes numbers only.
    let end = unsafe { libc::lseek(file, 0, libc::SEEK_CUR) };
    u64::try_from(end).unwrap_or(0).saturating_sub(length as u64)
}

/// The first `length` bytes of several parts.
///
/// # Safety
/// The parts are as the caller of `writev` must have them.
unsafe fn gather(parts: *const iovec, count: c_int, length: usize) -> Vec<u8> {
    // SAFETY: there are this many parts.
    let parts = unsafe { slice::from_raw_parts(parts, usize::try_from(count).unwrap_or(0)) };
    let mut data = Vec::with_capacity(length);
    for part in parts {
        let left = (length - data.len()).min(part.iov_len);
        if left > 0 {
            // SAFETY: the kernel has read this many bytes of the part.
            data.extend_from_slice(unsafe { slice::from_raw_parts(part.iov_base.cast::<u8>(), left) });
        }
    }
    data
}

/// The full name of a path, if it is on the disk.
///
/// # Safety
/// `path` is a string that ends with a zero.
unsafe fn name(folder: c_int, path: *const c_char) -> Option<OsString> {
    let layer = Layer::get()?;
    if path.is_null() {
        return None;
    }
    // SAFETY: as promised.
    let path = unsafe { CStr::from_ptr(path) };
    layer.name(folder, OsStr::from_bytes(path.to_bytes()))
}
