//! The description of the API for programs (OpenAPI 3.1). A test compares it with the routes.

use std::sync::LazyLock;

use axum::body::Bytes;
use axum::response::Response;
use serde_json::{Map, Value, json};

use super::with_media;

static DOCUMENT: LazyLock<Bytes> = LazyLock::new(|| Bytes::from(describe().to_string()));

/// The document.
pub async fn document() -> Response {
    with_media("application/json", DOCUMENT.clone())
}

/// One operation: method, path, what it does, its parameters in the query, its body, its good answers.
type Operation =
    (&'static str, &'static str, &'static str, &'static [&'static str], Option<&'static str>, &'static [u16]);

const OPERATIONS: [Operation; 47] = [
    (
        "get",
        "/v1/challenge",
        "A proof-of-work challenge: for one report of a `problem` of a `service`, for one comment on a `service`, or for one \
         webhook (`service=webhook`)",
        &["service", "problem"],
        None,
        &[200],
    ),
    (
        "post",
        "/v1/report",
        "Report a problem, with a challenge for the same service and problem and either the work (`nonce`) or the signature of \
         a device of an Mbolo account (`device`); also as a form, with the token of a page's button. Not from pages of \
         other sites",
        &[],
        Some("Report"),
        &[202, 303],
    ),
    (
        "post",
        "/v1/beacon",
        "What a client saw of its own attempts in a minute; also application/reports+json. Counted in the minute in which \
         it arrives if it is at most five minutes old, else in its own",
        &[],
        Some("Beacon"),
        &[202],
    ),
    (
        "post",
        "/v1/agent/results",
        "What an agent measured, signed. Counted in the minute in which it arrives if it is at most fifteen minutes old, \
         else in its own. The answer names the results that are `not_understood`",
        &[],
        Some("AgentResults"),
        &[200],
    ),
    ("post", "/v1/gauge", "A cell's live sockets of one minute, signed", &[], Some("Gauge"), &[200]),
    ("get", "/v1/services", "All services", &[], None, &[200, 304]),
    ("get", "/v1/services/{id}", "One service with all that is said of it", &[], None, &[200, 304]),
    ("get", "/v1/services/{id}/series", "The last 24 hours in bins of five minutes", &[], None, &[200, 304]),
    (
        "get",
        "/v1/incidents",
        "Incidents, open ones first",
        &["service", "country", "state"],
        None,
        &[200, 304],
    ),
    ("get", "/v1/incidents/{id}", "One incident", &[], None, &[200, 304]),
    ("get", "/v1/map", "Countries and their health", &["service"], None, &[200, 304]),
    ("get", "/v1/board", "Everything there is to say", &[], None, &[200, 304]),
    (
        "get",
        "/v1/isitjustme",
        "What is known for the asker's place; the address is not kept",
        &["service"],
        None,
        &[200],
    ),
    ("get", "/v1/comments", "Approved comments, newest first", &["service"], None, &[200]),
    (
        "post",
        "/v1/comments",
        "Write a comment; it is moderated first. A form that is refused is answered with the form again, as a page",
        &[],
        Some("Comment"),
        &[202, 303],
    ),
    ("post", "/v1/subscribe", "Subscribe by e-mail, as a form", &[], Some("Subscribe"), &[303]),
    ("post", "/v1/webhooks", "Subscribe a webhook", &[], Some("Webhook"), &[201]),
    ("get", "/v1/operator/comments", "Comments that wait", &[], None, &[200]),
    ("put", "/v1/operator/comments/{id}", "Let a comment through", &[], None, &[204]),
    ("delete", "/v1/operator/comments/{id}", "Delete a comment", &[], None, &[204]),
    (
        "put",
        "/v1/operator/incidents/{id}/cause",
        "Say why it happened, and who says so",
        &[],
        Some("Cause"),
        &[200],
    ),
    ("delete", "/v1/operator/incidents/{id}/cause", "Take the cause back", &[], None, &[200]),
    (
        "post",
        "/v1/operator/incidents/{id}/updates",
        "Add a line to the timeline",
        &[],
        Some("Update"),
        &[200],
    ),
    ("put", "/v1/operator/incidents/{id}/false-alarm", "Say that nothing was wrong", &[], None, &[200]),
    ("delete", "/v1/operator/incidents/{id}/false-alarm", "Take that back", &[], None, &[200]),
    ("get", "/v1/operator/publishing", "How announcements, snapshots and peers are", &[], None, &[200]),
    ("get", "/v1/operator/dead-letters", "Announcements that were given up, newest first", &[], None, &[200]),
    ("post", "/v1/operator/dead-letters/{id}", "Try one of them again", &[], None, &[204]),
    ("delete", "/v1/operator/dead-letters/{id}", "Drop one of them", &[], None, &[204]),
    (
        "get",
        "/v1/operator/subscriptions",
        "Who asked to be told; `kind` is `email` or `webhook`, both if left out",
        &["kind"],
        None,
        &[200],
    ),
    ("delete", "/v1/operator/subscriptions/{id}", "End a subscription", &[], None, &[204]),
    ("get", "/v1/openapi.json", "This document", &[], None, &[200]),
    ("get", "/openapi.json", "This document", &[], None, &[200]),
    ("get", "/api/v2/summary.json", "Statuspage: summary", &["lang"], None, &[200, 304]),
    ("get", "/api/v2/status.json", "Statuspage: status", &["lang"], None, &[200, 304]),
    (
        "get",
        "/api/v2/components.json",
        "Statuspage: components. `under_maintenance` is what nobody measures or what is too old: the format has no word for \
         not known, and clients do not take this one for green",
        &["lang"],
        None,
        &[200, 304],
    ),
    ("get", "/api/v2/incidents.json", "Statuspage: incidents", &["lang"], None, &[200, 304]),
    (
        "get",
        "/api/v2/incidents/unresolved.json",
        "Statuspage: unresolved incidents",
        &["lang"],
        None,
        &[200, 304],
    ),
    ("get", "/api/v2/scheduled-maintenances.json", "Statuspage: always none", &["lang"], None, &[200, 304]),
    (
        "get",
        "/api/v2/scheduled-maintenances/active.json",
        "Statuspage: always none",
        &["lang"],
        None,
        &[200, 304],
    ),
    (
        "get",
        "/api/v2/scheduled-maintenances/upcoming.json",
        "Statuspage: always none",
        &["lang"],
        None,
        &[200, 304],
    ),
    ("get", "/badge/{file}", "A badge, SERVICE.svg", &["lang"], None, &[200, 304]),
    ("get", "/feeds/atom.xml", "Atom", &["service", "country", "lang"], None, &[200, 304]),
    ("get", "/feeds/rss.xml", "RSS 2.0", &["service", "country", "lang"], None, &[200, 304]),
    ("get", "/feeds/feed.json", "JSON Feed 1.1", &["service", "country", "lang"], None, &[200, 304]),
    ("get", "/metrics", "For Prometheus", &[], None, &[200]),
    ("get", "/healthz", "Whether counts are taken and boards are made", &[], None, &[200, 503]),
];

fn describe() -> Value {
    let mut paths = Map::new();
    for (method, path, summary, query, body, good) in OPERATIONS {
        let operations = paths.entry(path).or_insert_with(|| json!({}));
        operations[method] = operation(path, summary, query, body, good);
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Mbolo Pulse",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "What is down, for whom, where and since when. Times are Unix seconds, minutes are Unix minutes. \
                            Errors are {\"error\": word, \"message\": sentence}.",
        },
        "paths": paths,
        "components": { "schemas": schemas(), "securitySchemes": {
            "operator": { "type": "http", "scheme": "bearer" },
        } },
    })
}

fn operation(path: &str, summary: &str, query: &[&str], body: Option<&str>, good: &[u16]) -> Value {
    let in_path = path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    let mut parameters: Vec<Value> = in_path
        .map(|name| json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string" } }))
        .collect();
    let is_needed = |name: &str| matches!(path, "/v1/isitjustme" | "/v1/challenge") && name == "service";
    parameters.extend(query.iter().map(|name| {
        json!({ "name": name, "in": "query", "required": is_needed(name), "schema": { "type": "string" } })
    }));
    let mut responses: Map<String, Value> =
        good.iter().map(|status| (status.to_string(), json!({ "description": meaning(*status) }))).collect();
    let error = json!({ "description": "Refused; the body says why", "content": {
        "application/json": { "schema": { "$ref": "#/components/schemas/Error" } } } });
    responses.insert("default".to_owned(), error);
    let mut operation = json!({ "summary": summary, "parameters": parameters, "responses": responses });
    if let Some(schema) = body {
        const FORM: &str = "application/x-www-form-urlencoded";
        let media: &[(&str, &str)] = match schema {
            "Report" => &[("application/json", schema), (FORM, "ReportForm")],
            "Comment" => &[("application/json", schema), (FORM, schema)],
            "Subscribe" => &[(FORM, schema)],
            _ => &[("application/json", schema)],
        };
        let content: Map<String, Value> = media
            .iter()
            .map(|(media, schema)| {
                let reference = json!({ "$ref": format!("#/components/schemas/{schema}") });
                ((*media).to_owned(), json!({ "schema": reference }))
            })
            .collect();
        operation["requestBody"] = json!({ "required": true, "content": content });
    }
    if path.starts_with("/v1/operator") {
        operation["security"] = json!([{ "operator": [] }]);
    }
    if schema_signer(path).is_some() {
        let headers = [schema_signer(path).unwrap_or_default(), "x-mbolo-signature"];
        let signed = headers.map(
            |name| json!({ "name": name, "in": "header", "required": true, "schema": { "type": "string" } }),
        );
        if let Some(parameters) = operation["parameters"].as_array_mut() {
            parameters.extend(signed);
        }
    }
    operation
}

fn schema_signer(path: &str) -> Option<&'static str> {
    match path {
        "/v1/gauge" => Some("x-mbolo-cell"),
        "/v1/agent/results" => Some("x-mbolo-agent"),
        _ => None,
    }
}

fn meaning(status: u16) -> &'static str {
    match status {
        200 => "Done",
        201 => "Made",
        202 => "Taken",
        204 => "Done; nothing to say",
        303 => "Back to the page, with a notice on it",
        304 => "Nothing new",
        503 => "Not now",
        _ => "See the description",
    }
}

fn object(required: &[&str], properties: Value) -> Value {
    json!({ "type": "object", "required": required, "properties": properties })
}

fn schemas() -> Value {
    let text = json!({ "type": "string" });
    let number = json!({ "type": "integer", "minimum": 0 });
    let nonce = json!({
        "description": "A number such that SHA-256 of `challenge:nonce` begins with `bits` zero bits; as a number or as its digits",
        "type": ["integer", "string"],
    });
    let flag = json!({ "type": "boolean" });
    let problem =
        json!({ "type": "string", "enum": mbolo_pulse::Problem::ALL.map(mbolo_pulse::Problem::as_str) });
    let row = object(
        &["cc", "asn", "sockets"],
        json!({ "cc": text, "asn": number, "sockets": number, "heartbeats": number }),
    );
    let result = object(
        &["service", "target", "ok"],
        json!({ "service": text, "target": text, "ok": flag, "failed_phase": text, "took_ms": number }),
    );
    json!({
        "Error": object(&["error", "message"], json!({ "error": text, "message": text })),
        "Report": object(&["service", "problem", "challenge"], json!({
            "service": text, "problem": problem, "challenge": text, "nonce": nonce,
            "device": { "$ref": "#/components/schemas/Device" },
        })),
        "Device": object(&["root_key", "device_key", "created_at_ms", "certificate", "signature"], json!({
            "root_key": text, "device_key": text, "created_at_ms": number, "certificate": text, "signature": {
                "description": "Ed25519 by the device key over `mbolo/pulse-report/v1` and the challenge; bytes are in base64url \
                                without padding",
                "type": "string",
            },
        })),
        "ReportForm": object(&["service", "report"], json!({ "service": text, "report": text, "lang": text })),
        "Comment": object(&["service", "text"], json!({
            "service": text, "author": text, "text": text, "challenge": text, "nonce": nonce, "token": text,
        })),
        "Beacon": object(&["service", "attempts", "failures"], json!({
            "service": text, "minute": number, "batch": {
                "description": "Its own name, kept when it is sent again, so that it counts once: all senders share these names, \
                                so make it of 16 random bytes or more",
                "type": "string",
            }, "attempts": number, "failures": number, "cc": text, "cell": text,
        })),
        "Gauge": object(&["cell", "minute", "batch", "rows"], json!({
            "cell": text, "minute": number, "batch": text, "rows": { "type": "array", "items": row },
        })),
        "AgentResults": object(&["agent", "minute", "batch", "results"], json!({
            "agent": text, "minute": number, "batch": text, "abstained": flag, "results": { "type": "array", "items": result },
        })),
        "Subscribe": object(&["email", "token"], json!({ "email": text, "service": text, "country": text, "token": text })),
        "Webhook": object(&["url", "challenge", "nonce"], json!({
            "url": text, "services": { "type": "array", "items": text }, "countries": { "type": "array", "items": text },
            "challenge": text, "nonce": nonce,
        })),
        "Cause": object(&["text", "source"], json!({ "text": text, "source": text })),
        "Update": object(&["text"], json!({ "text": text })),
    })
}

#[cfg(test)]
mod tests {
    use super::super::ROUTES;
    use super::*;

    #[test]
    fn every_route_is_described_and_nothing_else() {
        let mut described: Vec<(String, String)> =
            OPERATIONS.iter().map(|one| (one.1.to_owned(), one.0.to_owned())).collect();
        let mut routed: Vec<(String, String)> = ROUTES
            .iter()
            .flat_map(|(path, methods)| {
                methods.iter().map(|method| ((*path).to_owned(), (*method).to_owned()))
            })
            .collect();
        described.sort();
        routed.sort();
        assert_eq!(described, routed);
    }

    #[test]
    fn every_reference_leads_somewhere() {
        let document = describe();
        let text = document.to_string();
        for reference in text.split("#/components/schemas/").skip(1) {
            let name = reference.split('"').next().unwrap();
            assert!(document["components"]["schemas"][name].is_object(), "{name} is not described");
        }
    }
}
