//! A connection to one of several addresses, as browsers make it (RFC 8305): the next address is tried when one has
//! failed or has been silent for a quarter of a second, and the first that answers is taken.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::net::TcpStream;

use crate::failure::{Class, Failure};
use crate::outcome::{Connect, since_ms};

/// How long an address has before another is tried beside it.
const STAGGER: Duration = Duration::from_millis(250);

/// More addresses of one name are not tried.
const MAX_ATTEMPTS: usize = 6;

/// Connects, and writes every attempt that came to an end into `connects`. One that is still there when the caller
/// gives up has timed out.
pub(crate) async fn dial(
    addresses: &[IpAddr],
    port: u16,
    started: Instant,
    connects: &mut Vec<Connect>,
) -> Result<(TcpStream, SocketAddr), Failure> {
    let mut waiting = addresses.iter().take(MAX_ATTEMPTS).map(|ip| SocketAddr::new(*ip, port));
    let mut running = FuturesUnordered::new();
    let mut last = Failure::new(Class::NoAddress, "there is no address to connect to");
    let mut exhausted = false;
    loop {
        // Every turn of the loop is a reason for one more attempt: the beginning, a failure, or a silence.
        if !exhausted {
            match waiting.next() {
                None => exhausted = true,
                Some(address) => {
                    let index = connects.len();
                    let failure = Some(Class::Timeout);
                    connects.push(Connect { address, from_ms: since_ms(started), to_ms: 0, failure });
                    running.push(async move { (index, address, TcpStream::connect(address).await) });
                }
            }
        }
        if running.is_empty() && exhausted {
            return Err(last);
        }
        tokio::select! {
            Some((index, address, result)) = running.next() => {
                connects[index].to_ms = since_ms(started);
                match result {
                    Ok(stream) => {
                        connects[index].failure = None;
                        // Those that were on their way were not given the time to answer.
                        connects.retain(|connect| connect.failure.is_none() || connect.to_ms > 0);
                        return Ok((stream, address));
                    }
                    Err(error) => {
                        let failure = Failure::from(error);
                        connects[index].failure = Some(failure.class);
                        // A machine without IPv6 says "unreachable" of half of the addresses; that tells least.
                        if failure.class != Class::Unreachable || last.class == Class::NoAddress {
                            last = failure;
                        }
                    }
                }
            }
            () = tokio::time::sleep(STAGGER), if !exhausted => {}
        }
    }
}
