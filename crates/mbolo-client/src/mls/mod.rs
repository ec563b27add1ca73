//! Everything that knows MLS: the provider, the groups, and the type that keeps a pending commit from being
//! merged without a receipt.

mod group;
mod hpke;
mod identity;
mod pending;
mod provider;
mod storage;

pub use group::*;
pub use identity::*;
pub use pending::*;
pub use provider::*;
