//! The start of the engine in a worker. Natively there is nothing to start.

fn main() {}
