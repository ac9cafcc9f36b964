//! The public interface, from outside.

mod groups;
mod world;
