//! Stores for Rust hosts, each under a feature of its own.

mod postgres;

pub use postgres::{MakeRustlsConnect, PostgresError, PostgresOptions, PostgresStore, Tls};
