//! A cell's live sockets by (country, network), once a minute.

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::HeaderMap;
use mbolo_pulse::{Asn, Count, Country, Minute, ServiceId, Signal};
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;

use super::signed::{check_batch_name, check_minute, signer};
use super::{App, Refused};
use crate::store::Batch;

#[derive(Debug, Deserialize)]
struct Gauge {
    cell: String,
    minute: u32,
    batch: String,
    rows: Vec<Row>,
}

#[derive(Debug, Deserialize)]
struct Row {
    cc: Country,
    asn: Asn,
    sockets: u32,
    #[serde(default)]
    heartbeats: Option<u32>,
}

/// Takes a batch, once.
pub async fn gauge(State(shared): App, headers: HeaderMap, body: Bytes) -> Result<Json<Value>, Refused> {
    let cell = signer(&headers, "x-mbolo-cell", &body, &shared.config.cells, |cell| cell.key)
        .inspect_err(|_| shared.metrics.batches_unsigned.add(1))?;
    let gauge: Gauge =
        serde_json::from_slice(&body).map_err(|error| Refused::malformed(error.to_string()))?;
    if gauge.cell != cell.name {
        let message = format!("cell: this key belongs to `{}` in the observatory's configuration", cell.name);
        return Err(Refused::malformed(message));
    }
    let most = shared.config.limits.gauge_rows;
    if gauge.rows.len() > most as usize {
        return Err(Refused::malformed(format!("rows: at most {most}")));
    }
    check_batch_name(&gauge.batch)?;
    check_minute(&shared, gauge.minute)?;
    let service = ServiceId::new(&cell.service).ok_or_else(Refused::unknown_service)?;
    let name: Arc<str> = cell.name.as_str().into();
    let row = |row: &Row, signal, n| Count {
        minute: Minute(gauge.minute),
        service: service.clone(),
        cc: row.cc,
        asn: row.asn,
        signal,
        problem: None,
        cell: Some(name.clone()),
        n,
        weight: None,
        attempts: 0,
        failures: 0,
    };
    let sockets = gauge.rows.iter().map(|one| row(one, Signal::Gauge, one.sockets));
    let heartbeats =
        gauge.rows.iter().filter_map(|one| one.heartbeats.map(|n| row(one, Signal::Heartbeat, n)));
    let counts: Vec<Count> = sockets.chain(heartbeats).collect();
    let batch = Batch {
        source: format!("cell:{name}"),
        id: gauge.batch,
        minute: gauge.minute,
        is_whole_minute: true,
    };
    let is_new =
        shared.store.add_once(batch, counts).await.inspect_err(|_| shared.metrics.not_stored.add(1))?;
    let counter = if is_new { &shared.metrics.gauge_batches } else { &shared.metrics.batches_repeated };
    counter.add(1);
    let is_late = is_new && shared.due(Minute(gauge.minute)) <= shared.clock.now_ms();
    if is_late {
        shared.note_late(&cell.name);
    }
    Ok(Json(json!({ "counted": is_new, "late": is_late })))
}
