//! One person and the web client: first steps, links, and what the page says when something is missing.

use fantoccini::actions::{InputSource, MOUSE_BUTTON_LEFT, MouseActions, PointerAction};
use fantoccini::key::Key;
use fantoccini::{Client, Locator};
use serde_json::Value;

use crate::browser::{Browser, prerequisites};
use crate::page::{Device, Driver, Page};
use crate::people::Person;
use crate::support::Server;

/// Runs a story in a browser, if there is one.
fn in_a_browser(story: impl AsyncFnOnce(&Driver, &Server)) {
    let server = Server::start();
    let Some(driver) = prerequisites(&server) else { return };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(story(&driver, &server));
}

#[test]
fn a_browser_that_keeps_nothing_is_told_so() {
    in_a_browser(async |driver, server| {
        let device = Device { site_data: false, ..Device::default() };
        let page = Page::open(driver, &server.url, "Awa", device).await;
        page.shows("This browser gives Mbolo no storage").await;
        page.is_accessible().await;
        page.picture("no-storage", 1180, 860).await;
        page.client.close().await.unwrap();
    });
}

#[test]
fn a_name_of_nothing_but_spaces_is_asked_for_at_its_field() {
    in_a_browser(async |driver, server| {
        let device = Device { language: "fr", ..Device::default() };
        let page = Page::open(driver, &server.url, "Awa", device).await;
        page.fill("Identifiant", "awa").await;
        page.fill("Votre nom", "  ").await;
        page.press("button", "Créer le compte").await;
        page.shows("Dites comment on doit vous appeler.").await;
        page.until("the field to have the focus and the sentence", async || {
            let asked = active(&page.client, "[a.id, a.getAttribute('aria-invalid'), document.getElementById(a.getAttribute('aria-describedby'))?.textContent]").await;
            (asked == serde_json::json!(["sign-up-name", "true", "Dites comment on doit vous appeler."])).then_some(())
        })
        .await;
        page.is_accessible().await;
        page.picture("no-name", 1180, 860).await;
        page.fill("Votre nom", "Awa").await;
        page.press("button", "Créer le compte").await;
        page.has("button", "Nouvelle discussion").await;
        page.client.close().await.unwrap();
    });
}

#[test]
fn a_link_tells_nobody_anything_before_one_has_agreed() {
    in_a_browser(async |driver, server| {
        let bibi = Person::sign_up(server, "bibi");
        let awa = Browser::open(driver, server, "Awa").await;
        let link = format!("{}/@bibi", server.url);
        let sees_a_chat = || {
            bibi.sync();
            !bibi.run(&["room", "list", "--json"]).ok().is_empty()
        };

        awa.client.goto(&link).await.unwrap();
        awa.shows("Write to @bibi?").await;
        awa.shows("with your name, Awa, and your handle, @awa").await;
        awa.is_accessible().await;
        awa.picture("invited", 1180, 860).await;
        // Enter alone does nothing to be sorry for.
        awa.has("button", "Not now").await;
        assert_eq!(active(&awa.client, "a.textContent").await, "Not now");
        awa.client.active_element().await.unwrap().send_keys(&Key::Enter.to_string()).await.unwrap();
        awa.until("the question to go", async || awa.find("button", "Not now").await.is_none().then_some(()))
            .await;
        assert!(!sees_a_chat(), "Bibi was told");

        awa.client.goto(&link).await.unwrap();
        awa.press("button", "Start chat").await;
        awa.has("button", "Chat details").await;
        awa.fill("Message", "Mbolo, Bibi").await;
        awa.press("button", "Send").await;
        awa.shows("Mbolo, Bibi").await;
        awa.until("Bibi to see the chat", async || sees_a_chat().then_some(())).await;

        // Whom one writes to already may be linked to without a question.
        awa.client.goto(&link).await.unwrap();
        awa.has("button", "Chat details").await;
        assert!(awa.find("button", "Not now").await.is_none());
        awa.0.client.close().await.unwrap();
    });
}

#[test]
fn a_group_whose_name_is_not_known_yet_is_called_after_its_members() {
    in_a_browser(async |driver, server| {
        let [awa, bibi] = ["awa", "bibi"].map(|handle| Person::sign_up(server, handle));
        for handle in ["chantal", "dodo"] {
            Person::sign_up(server, handle);
        }
        awa.run(&["room", "create", "Family", "bibi", "chantal", "dodo"]).ok();
        bibi.sync();
        let words = bibi.run(&["account", "export-recovery"]).ok();

        let page = Page::open(driver, &server.url, "Bibi", Device::default()).await;
        page.press("button", "I have an account already").await;
        page.fill("Recovery phrase", words.trim()).await;
        page.fill("Your name", "Bibi").await;
        page.press("button", "Use my account here").await;
        page.press("link", "awa, chantal and 1 more").await;
        page.press("button", "Group details").await;
        page.shows("4 members").await;
        page.picture("group-without-a-name", 1180, 860).await;
        awa.sync();
        page.has("link", "Family").await;
        page.client.close().await.unwrap();
    });
}

#[test]
fn the_line_beside_the_list_is_moved_with_keys_and_with_the_mouse_and_stays_there() {
    in_a_browser(async |driver, server| {
        let awa = Browser::open(driver, server, "Awa").await;
        let before = place(&awa).await;
        let line = awa.client.find(Locator::Css("[role=separator]")).await.unwrap();
        line.send_keys(&Key::Right.to_string()).await.unwrap();
        line.send_keys(&Key::Right.to_string()).await.unwrap();
        assert_eq!(place(&awa).await, (before.0 + 32.0, before.1 + 32.0));
        awa.is_accessible().await;

        let (x, y) = (before.1, 300.0);
        let drag = MouseActions::new("mouse".into())
            .then(PointerAction::MoveTo { duration: None, x: x + 32.0, y })
            .then(PointerAction::Down { button: MOUSE_BUTTON_LEFT })
            .then(PointerAction::MoveTo { duration: None, x: x - 16.0, y })
            .then(PointerAction::Up { button: MOUSE_BUTTON_LEFT });
        awa.client.perform_actions(drag).await.unwrap();
        let dragged = (before.0 - 16.0, before.1 - 16.0);
        awa.until("the line to follow", async || (place(&awa).await == dragged).then_some(())).await;
        awa.client.refresh().await.unwrap();
        awa.has("button", "New chat").await;
        assert_eq!(place(&awa).await, dragged);
        awa.0.client.close().await.unwrap();
    });
}

/// What the separator says, and how wide the list is in pixels.
async fn place(page: &Page) -> (f64, f64) {
    const SCRIPT: &str = "return [Number(document.querySelector('[role=separator]').ariaValueNow),
        document.querySelector('.pane-list').getBoundingClientRect().width]";
    let place = page.client.execute(SCRIPT, Vec::new()).await.unwrap();
    serde_json::from_value(place).unwrap()
}

/// Something about what has the focus, which is `a`.
async fn active(client: &Client, about: &str) -> Value {
    client.execute(&format!("const a = document.activeElement; return {about}"), Vec::new()).await.unwrap()
}
