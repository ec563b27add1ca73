//! A real browser: things are found by role and accessible name, as a screen reader would, and pressed as a person would.
//!
//! Without a browser or its driver the tests say so and pass; with `MBOLO_REQUIRE_BROWSER=1` they fail.

use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use fantoccini::elements::Element;
use fantoccini::{Client, ClientBuilder, Locator};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::json;
use tempfile::TempDir;

use crate::support::PATIENCE;

/// How often a page is looked at while something is waited for.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// The narrowest window that a browser on a desk makes; what is narrower is shown as on a phone.
const NARROWEST_WINDOW: u32 = 500;

/// What was found last is marked with this.
const FOUND: &str = "[data-test-found]";

/// What somebody looks at the page with.
#[derive(Clone, Copy)]
pub struct Device {
    /// What the browser asks for, as in `Accept-Language`.
    pub language: &'static str,
    /// Whether scripts of pages run.
    pub scripts: bool,
    /// Whether pages may keep anything.
    pub site_data: bool,
    pub width: u32,
    pub height: u32,
}

impl Default for Device {
    fn default() -> Self {
        Self { language: "en", scripts: true, site_data: true, width: 1200, height: 1600 }
    }
}

/// A page in a browser with a profile of its own.
pub struct Page {
    pub client: Client,
    /// Whose it is, for messages.
    pub name: &'static str,
    device: Device,
    _profile: TempDir,
}

impl Page {
    /// Opens `url`.
    pub async fn open(driver: &Driver, url: &str, name: &'static str, device: Device) -> Self {
        let profile = tempfile::tempdir().unwrap();
        let mut options = json!({
            "args": [
                "--headless=new",
                "--no-sandbox",
                "--disable-dev-shm-usage",
                "--disable-gpu",
                "--disable-background-networking",
                format!("--lang={}", device.language),
                format!("--window-size={},{}", device.width, device.height),
                format!("--user-data-dir={}", profile.path().display()),
            ],
            "prefs": { "intl.accept_languages": device.language },
        });
        if !device.scripts {
            options["prefs"]["profile.managed_default_content_settings.javascript"] = json!(2);
        }
        if !device.site_data {
            options["prefs"]["profile.default_content_setting_values.cookies"] = json!(2);
        }
        if device.width < NARROWEST_WINDOW {
            let metrics = json!({ "width": device.width, "height": device.height, "pixelRatio": 2.0 });
            options["mobileEmulation"] = json!({ "deviceMetrics": metrics });
        }
        let capabilities = [("goog:chromeOptions".to_owned(), options)].into_iter().collect();
        let client = ClientBuilder::new(HttpConnector::new())
            .capabilities(capabilities)
            .connect(&driver.url)
            .await
            .expect("a browser");
        client.goto(url).await.unwrap();
        Self { client, name, device, _profile: profile }
    }

    /// Takes a picture of the page in a window of this size, if somebody wants pictures: `MBOLO_PICTURES` names the
    /// directory. Those in `docs/img` are made like that.
    pub async fn picture(&self, name: &str, width: u32, height: u32) {
        let Some(dir) = std::env::var_os("MBOLO_PICTURES") else { return };
        let is_a_window = self.device.width >= NARROWEST_WINDOW;
        if is_a_window {
            self.client.set_window_size(width, height).await.unwrap();
        }
        let picture = self.client.screenshot().await.unwrap();
        std::fs::write(std::path::Path::new(&dir).join(format!("{name}.png")), picture).unwrap();
        if is_a_window {
            self.client.set_window_size(self.device.width, self.device.height).await.unwrap();
        }
    }

    /// What the page shows as text.
    pub async fn text(&self) -> String {
        let shown = self.client.execute("return document.body.innerText", Vec::new()).await;
        shown.ok().and_then(|shown| shown.as_str().map(str::to_owned)).unwrap_or_default()
    }

    /// Waits until the page shows this text.
    pub async fn shows(&self, text: &str) {
        self.until(&format!("“{text}”"), async || self.text().await.contains(text).then_some(())).await;
    }

    /// Nothing makes a person scroll sideways.
    pub async fn fits_its_window(&self) {
        const SCRIPT: &str = "return [document.documentElement.scrollWidth, innerWidth]";
        let widths = self.client.execute(SCRIPT, Vec::new()).await.unwrap();
        assert!(widths[0].as_u64() <= widths[1].as_u64(), "{} must scroll sideways: {widths}", self.name);
    }

    /// Waits until there is something with this role and name.
    pub async fn has(&self, role: &str, name: &str) -> Element {
        self.until(&format!("{role} “{name}”"), async || self.find(role, name).await).await
    }

    pub async fn press(&self, role: &str, name: &str) {
        self.until(&format!("{role} “{name}” to press"), async || {
            self.find(role, name).await?;
            self.press_found().await
        })
        .await;
    }

    /// Presses what was found last; none if the page was drawn anew since.
    pub async fn press_found(&self) -> Option<()> {
        if self.device.scripts {
            self.client.find(Locator::Css(FOUND)).await.ok()?.click().await.ok()
        } else {
            // The driver's own click waits for a script of its own in the page, which never runs there.
            let press = format!("document.querySelector('{FOUND}').click()");
            self.client.execute(&press, Vec::new()).await.ok().map(drop)
        }
    }

    /// Types into the textbox with this name.
    pub async fn fill(&self, name: &str, text: &str) {
        self.until(&format!("textbox “{name}” to fill"), async || {
            let field = self.find("textbox", name).await?;
            let typed = field.prop("value").await.ok()??;
            if !typed.is_empty() {
                field.clear().await.ok()?;
            }
            field.send_keys(text).await.ok()?;
            (field.prop("value").await.ok()?? == text).then_some(())
        })
        .await;
    }

    /// The visible element with this role and accessible name; what lies over the page comes first.
    pub async fn find(&self, role: &str, name: &str) -> Option<Element> {
        const SCRIPT: &str = "
            const [role, name] = arguments;
            const kinds = { button: 'button, [role=button]', link: 'a[href]', textbox: 'input:not([type=checkbox]), textarea' };
            const named = e => {
                if (e.hasAttribute('aria-label')) return e.getAttribute('aria-label');
                const labels = [...(e.labels || [])].map(l => l.textContent).join(' ');
                return labels || e.textContent;
            };
            const place = document.querySelector('dialog[open]') || document;
            const found = [...place.querySelectorAll(kinds[role])]
                .find(e => e.checkVisibility() && !e.closest('[inert]') && named(e).trim() === name);
            if (!found) return null;
            found.setAttribute('data-test-found', '');
            for (const other of document.querySelectorAll('[data-test-found]'))
                if (other !== found) other.removeAttribute('data-test-found');
            return true;";
        let found = self.client.execute(SCRIPT, vec![json!(role), json!(name)]).await.ok()?;
        if found.is_null() {
            return None;
        }
        self.client.find(Locator::Css(FOUND)).await.ok()
    }

    /// What axe (deque's accessibility checker) has to say against the page, if it is at hand: `MBOLO_AXE` names its script.
    pub async fn is_accessible(&self) {
        let Some(path) = std::env::var_os("MBOLO_AXE") else { return };
        let axe = std::fs::read_to_string(path).unwrap();
        self.client.execute(&axe, Vec::new()).await.unwrap();
        // What is still fading in has other colours for a moment.
        const RUN: &str = "const done = arguments[0];
            const ends = document.getAnimations()
                .filter(moving => Number.isFinite(moving.effect.getComputedTiming().endTime))
                .map(moving => moving.finished.catch(() => {}));
            Promise.all(ends).then(() => axe.run(document, { resultTypes: ['violations'] })).then(found => done(found.violations.map(
                rule => [rule.id, rule.help, ...rule.nodes.map(node => node.html + ' ' + node.failureSummary)])));";
        let found = self.client.execute_async(RUN, Vec::new()).await.unwrap();
        assert_eq!(found, json!([]), "{}'s page at {:?}", self.name, self.client.current_url().await);
    }

    /// Looks until there is what is waited for; tells what the page shows if it does not come.
    pub async fn until<T>(&self, what: &str, look: impl AsyncFn() -> Option<T>) -> T {
        let end = Instant::now() + PATIENCE;
        while Instant::now() < end {
            if let Some(found) = look().await {
                return found;
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
        panic!("{} waited for {what}; the page shows\n{}", self.name, self.text().await);
    }
}

/// A running chromedriver. Its browsers end with it.
pub struct Driver {
    child: Child,
    url: String,
}

impl Driver {
    /// None, with a word on why, where there is none and none is required.
    pub fn start() -> Option<Self> {
        match Self::try_start() {
            Ok(driver) => Some(driver),
            Err(error) => missing(&format!("chromedriver does not start: {error}")),
        }
    }

    fn try_start() -> std::io::Result<Self> {
        let mut child = Command::new("chromedriver")
            .arg("--port=0")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()?;
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let port = lines
            .by_ref()
            .find_map(|line| {
                let rest = line.split("successfully on port ").nth(1)?;
                rest.trim_end_matches('.').trim().parse::<u16>().ok()
            })
            .ok_or_else(|| std::io::Error::other("chromedriver does not say its port"))?;
        std::thread::spawn(move || lines.for_each(drop));
        Ok(Self { child, url: format!("http://127.0.0.1:{port}") })
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        // The whole group: a driver that is killed leaves its browsers behind.
        let _ = Command::new("kill").args(["-KILL", "--", &format!("-{}", self.child.id())]).status();
        let _ = self.child.wait();
    }
}

/// Says why a browser test does not run; where browsers are required, it fails.
pub fn missing<T>(why: &str) -> Option<T> {
    let required = std::env::var("MBOLO_REQUIRE_BROWSER").is_ok_and(|value| value == "1");
    assert!(!required, "the browser test cannot run: {why}");
    eprintln!("the browser test did not run: {why}");
    None
}
