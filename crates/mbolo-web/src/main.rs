//! The start of the UI in a page. Natively there is nothing to start.

fn main() {}
