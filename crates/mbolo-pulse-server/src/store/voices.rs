//! Comments: nothing is shown before a person has let it through.

use mbolo_pulse::{Country, ServiceId};
use rusqlite::{Connection, params};

/// What a moderator has said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CommentState {
    /// Nothing yet.
    Waiting,
    /// It may be shown.
    Approved,
    /// It is not shown, and deleted.
    Rejected,
}

/// One comment.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct CommentRow {
    /// Counts up.
    pub id: i64,
    /// Unix seconds.
    pub at: i64,
    /// About what.
    pub service: ServiceId,
    /// As they called themselves, if they did.
    pub author: Option<String>,
    /// From where; `ZZ` if not known.
    pub cc: Country,
    /// Plain text.
    pub text: String,
}

/// Keeps a comment for a moderator; its `id` is chosen here and given back.
pub fn save_comment(connection: &Connection, comment: &CommentRow) -> rusqlite::Result<i64> {
    let sql = "INSERT INTO comments (at, service, author, cc, text, state) VALUES (?1, ?2, ?3, ?4, ?5, 0)";
    connection.prepare_cached(sql)?.execute(params![
        comment.at,
        comment.service.as_str(),
        comment.author,
        comment.cc.as_str(),
        comment.text
    ])?;
    Ok(connection.last_insert_rowid())
}

/// How many wait.
pub fn waiting_count(connection: &Connection) -> rusqlite::Result<u32> {
    connection
        .prepare_cached("SELECT count(*) FROM comments WHERE state = 0")?
        .query_row([], |row| row.get(0))
}

/// Those that wait, oldest first.
pub fn waiting_comments(connection: &Connection) -> rusqlite::Result<Vec<CommentRow>> {
    select(
        connection,
        "SELECT id, at, service, author, cc, text FROM comments WHERE state = 0 ORDER BY id LIMIT 500",
    )
}

/// The newest approved ones of all services, newest first.
pub fn approved_comments(connection: &Connection) -> rusqlite::Result<Vec<CommentRow>> {
    select(
        connection,
        "SELECT id, at, service, author, cc, text FROM comments WHERE state = 1 ORDER BY at DESC, id DESC LIMIT 2000",
    )
}

/// Lets a comment through or deletes it; says whether there was one.
pub fn decide_comment(connection: &Connection, id: i64, state: CommentState) -> rusqlite::Result<bool> {
    let rows = match state {
        CommentState::Waiting => {
            connection.execute("UPDATE comments SET state = 0 WHERE id = ?1", params![id])?
        }
        CommentState::Approved => {
            connection.execute("UPDATE comments SET state = 1 WHERE id = ?1", params![id])?
        }
        CommentState::Rejected => connection.execute("DELETE FROM comments WHERE id = ?1", params![id])?,
    };
    Ok(rows > 0)
}

fn select(connection: &Connection, sql: &str) -> rusqlite::Result<Vec<CommentRow>> {
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query([])?;
    let mut comments = Vec::new();
    while let Some(row) = rows.next()? {
        let Some(service) = ServiceId::new(row.get_ref(2)?.as_str()?) else { continue };
        comments.push(CommentRow {
            id: row.get(0)?,
            at: row.get(1)?,
            service,
            author: row.get(3)?,
            cc: Country::new(row.get_ref(4)?.as_str()?).unwrap_or(Country::UNKNOWN),
            text: row.get(5)?,
        });
    }
    Ok(comments)
}
