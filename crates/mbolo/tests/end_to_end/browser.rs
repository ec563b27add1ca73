//! Two people in two browsers and a third in a terminal talk in a group, and the server is killed meanwhile.
//!
//! Everything is found by role and accessible name, as a screen reader would.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::ops::Deref;

use serde_json::Value;

use crate::page::{Device, Driver, Page, missing};
use crate::people::Person;
use crate::support::Server;

#[test]
fn two_browsers_and_a_terminal_talk_while_the_server_is_killed() {
    let server = Server::start();
    let Some(driver) = prerequisites(&server) else { return };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(story(server, &driver));
}

async fn story(mut server: Server, driver: &Driver) {
    let mut awa = Browser::open(driver, &server, "Awa").await;
    let bibi = Browser::open(driver, &server, "Bibi").await;
    let chantal = Person::sign_up(&server, "chantal");

    // One to one.
    awa.press("button", "New chat").await;
    awa.fill("Handle or link", "bibi").await;
    awa.press("button", "Start chat").await;
    awa.say("Mbolo, Bibi").await;
    bibi.press("link", "Awa, 1 unread message").await;
    bibi.sees("Mbolo, Bibi").await;
    bibi.say("Mbolo, Awa").await;
    awa.sees("Mbolo, Awa").await;
    awa.is_marked("Mbolo, Bibi", "Read").await;
    bibi.is_marked("Mbolo, Awa", "Read").await;

    // A group of all three, and ticks until read.
    awa.press("button", "New group").await;
    awa.fill("Group name", "Family").await;
    awa.choose("Members", &["bibi", "chantal"]).await;
    awa.press("button", "Create group").await;
    awa.has("button", "Group details").await;
    bibi.press("link", "Family").await;
    let mut listening = chantal.listen();
    awa.say("dinner at eight").await;
    listening.wait_for_text("dinner at eight");
    bibi.sees("dinner at eight").await;
    awa.is_marked("dinner at eight", "Read").await;
    bibi.say("I bring fish").await;
    awa.sees("I bring fish").await;
    awa.picture("group", 1180, 860).await;

    // The server dies in mid-conversation; what is typed meanwhile survives a reload.
    awa.say("the last before the fall").await;
    bibi.say("the last of mine").await;
    server.kill();
    awa.say("typed without a server").await;
    awa.is_marked("typed without a server", "Waiting").await;
    bibi.say("me too").await;
    bibi.is_marked("me too", "Waiting").await;
    bibi.picture("without-a-server", 500, 900).await;
    awa.client.refresh().await.unwrap();
    awa.is_marked("typed without a server", "Waiting").await;
    awa.say("and after a reload").await;
    server.restart();
    for text in ["typed without a server", "and after a reload", "me too"] {
        awa.sees(text).await;
        bibi.sees(text).await;
        if !listening.texts().iter().any(|(_, seen)| seen == text) {
            listening.wait_for_text(text);
        }
    }
    awa.is_marked("and after a reload", "Read").await;

    // A second tab of the same browser, then without the first.
    let first = awa.client.window().await.unwrap();
    awa.second_tab(&server).await;
    awa.press("link", "Family").await;
    awa.sees("me too").await;
    awa.say("from the second tab").await;
    bibi.sees("from the second tab").await;
    let second = awa.client.window().await.unwrap();
    awa.client.switch_to_window(first).await.unwrap();
    awa.sees("from the second tab").await;
    awa.client.close_window().await.unwrap();
    awa.client.switch_to_window(second).await.unwrap();
    awa.say("and the first is closed").await;
    bibi.sees("and the first is closed").await;
    listening.wait_for_text("and the first is closed");
    drop(listening);
    chantal.send("Family", "good night");
    awa.sees("good night").await;
    bibi.sees("good night").await;

    // All messages, once, in one order, on all three.
    let on_chantals = chantal.history("Family");
    let expected = [
        "dinner at eight",
        "I bring fish",
        "the last before the fall",
        "the last of mine",
        "typed without a server",
        "me too",
        "and after a reload",
        "from the second tab",
        "and the first is closed",
        "good night",
    ];
    let mut sorted: Vec<&str> = on_chantals.iter().map(|(_, text)| text.as_str()).collect();
    let mut expected = expected.to_vec();
    sorted.sort_unstable();
    expected.sort_unstable();
    assert_eq!(sorted, expected, "each once");
    let texts: Vec<String> = on_chantals.iter().map(|(_, text)| text.clone()).collect();
    let of = |name: &str| {
        on_chantals.iter().filter(|(who, _)| who == name).map(|(_, text)| text.as_str()).collect::<Vec<_>>()
    };
    assert_eq!(
        of("awa"),
        [
            "dinner at eight",
            "the last before the fall",
            "typed without a server",
            "and after a reload",
            "from the second tab",
            "and the first is closed"
        ]
    );
    assert_eq!(of("bibi"), ["I bring fish", "the last of mine", "me too"]);
    assert_eq!(awa.texts().await, texts, "as Awa sees it");
    assert_eq!(bibi.texts().await, texts, "as Bibi sees it");
    awa.0.client.close().await.unwrap();
    bibi.0.client.close().await.unwrap();
}

/// A person's browser, with an account.
pub struct Browser(pub Page);

impl Deref for Browser {
    type Target = Page;

    fn deref(&self) -> &Page {
        &self.0
    }
}

impl Browser {
    /// Opens the page and signs up. The handle is the name in small letters.
    pub async fn open(driver: &Driver, server: &Server, name: &'static str) -> Self {
        let browser = Self(Page::open(driver, &server.url, name, Device::default()).await);
        browser.is_accessible().await;
        browser.fill("Handle", &name.to_lowercase()).await;
        browser.fill("Your name", name).await;
        browser.press("button", "Create account").await;
        browser.has("button", "New chat").await;
        browser
    }

    async fn second_tab(&mut self, server: &Server) {
        let tab = self.client.new_window(true).await.unwrap();
        self.client.switch_to_window(tab.handle).await.unwrap();
        self.client.goto(&server.url).await.unwrap();
    }

    /// Sends a text from the open conversation.
    async fn say(&self, text: &str) {
        self.fill("Message", text).await;
        self.press("button", "Send").await;
        self.sees(text).await;
    }

    /// Waits until a message with this text is in the log.
    async fn sees(&self, text: &str) {
        self.until(&format!("“{text}” in the conversation"), async || {
            self.texts().await.iter().any(|seen| seen == text).then_some(())
        })
        .await;
    }

    /// Waits until the message's name says that it has come so far.
    async fn is_marked(&self, text: &str, state: &str) {
        self.until(&format!("“{text}” marked {state}"), async || {
            let messages = self.messages().await;
            let name = messages.iter().find(|(_, seen)| seen == text).map(|(name, _)| name.clone())?;
            name.ends_with(&format!(", {state}")).then_some(())
        })
        .await;
    }

    async fn texts(&self) -> Vec<String> {
        self.messages().await.into_iter().map(|(_, text)| text).collect()
    }

    /// Accessible name and text of every message on the page, in order.
    async fn messages(&self) -> Vec<(String, String)> {
        const SCRIPT: &str = "return [...document.querySelectorAll('[role=log][aria-label=Messages] article')]
            .map(a => [a.getAttribute('aria-label') || '', (a.querySelector('p.text') || {}).textContent || '']);";
        let found = self.client.execute(SCRIPT, Vec::new()).await.unwrap_or(Value::Null);
        serde_json::from_value(found).unwrap_or_default()
    }

    /// Types handles into a textbox that takes each one as soon as it is complete.
    async fn choose(&self, name: &str, handles: &[&str]) {
        for handle in handles {
            self.has("textbox", name).await.send_keys(&format!("{handle},")).await.unwrap();
            self.has("button", &format!("Remove @{handle}")).await;
        }
    }
}

/// What the test needs.
pub fn prerequisites(server: &Server) -> Option<Driver> {
    if !serves_web_client(server) {
        return missing("the binary was built without the web client (cargo xtask web)");
    }
    Driver::start()
}

fn serves_web_client(server: &Server) -> bool {
    let mut stream = TcpStream::connect(server.address).unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").unwrap();
    let mut page = Vec::new();
    let _ = stream.read_to_end(&mut page);
    let page = String::from_utf8_lossy(&page);
    page.starts_with("HTTP/1.1 200") && page.contains("<script")
}
