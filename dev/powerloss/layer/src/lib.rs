//! A preloaded library that writes down what a program does to its files; `quicprochat-powerloss` says what for.
//!
//! ```text
//!   LD_PRELOAD=libquicprochat_powerloss_layer.so POWERLOSS_DISK=/folder POWERLOSS_JOURNAL=/file program
//! ```
//!
//! `ffi` takes the place of the C library's functions that change files, asks the kernel itself, and hands what
//! succeeded to `layer`. A step and its record are taken under one lock, which whoever cuts the disk holds meanwhile: so a program is
//! always killed between two steps. A program that does not set both variables is not touched.
//!
//! There is no table of descriptors: what a descriptor stands for is asked of the kernel each time.
#![cfg(all(target_os = "linux", target_pointer_width = "64"))]

mod ffi;
mod layer;
