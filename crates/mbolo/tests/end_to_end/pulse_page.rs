//! The observatory's page in a real browser: with scripts and without, on a desk and on a phone, in English and in French.

use std::time::Duration;

use serde_json::Value;

use crate::page::{Device, Driver, Page};
use crate::pulse::Observatory;

#[test]
fn a_person_on_a_phone_without_scripts_reports_in_french_and_is_counted() {
    let Some(driver) = Driver::start() else { return };
    let data = tempfile::tempdir().unwrap();
    let pulse = Observatory::start(&["serve", "--data", &data.path().display().to_string()]);
    let phone = Device { language: "fr", scripts: false, site_data: true, width: 360, height: 800 };
    on_a_runtime(async {
        let page = Page::open(&driver, &pulse.url(), "Awa", phone).await;
        page.press("link", "WhatsApp").await;
        page.shows("Aucun signalement depuis une heure.").await;
        page.fits_its_window().await;
        page.picture("pulse-phone-fr", 360, 800).await;
        page.until("the thanks for a report", async || {
            if page.find("button", "Envoi").await.is_some() {
                // A form that comes back at once was not sent by a person.
                tokio::time::sleep(A_LOOK).await;
                page.press_found().await?;
            }
            page.text().await.contains("Merci. Votre signalement est compté.").then_some(())
        })
        .await;
        page.until("the count of one report", async || {
            page.client.goto(&format!("{}/service/whatsapp?lang=fr", pulse.url())).await.ok()?;
            page.text().await.contains("1 signalement depuis une heure.").then_some(())
        })
        .await;
        // Only once in half an hour.
        page.until("a word that it is counted already", async || {
            if page.find("button", "Envoi").await.is_some() {
                // A form that comes back at once was not sent by a person.
                tokio::time::sleep(A_LOOK).await;
                page.press_found().await?;
            }
            page.text().await.contains("Votre signalement est déjà compté.").then_some(())
        })
        .await;
        page.client.close().await.unwrap();
    });
    let service = pulse.until("/v1/services/whatsapp", |said| said["service"]["reports_1h"] == 1);
    let problems = &service["service"]["problem_counts"];
    assert_eq!(problems.to_string(), "[[\"send\",1]]", "{problems}");
}

#[test]
fn a_report_with_scripts_brings_its_work_and_is_counted_on_the_open_page() {
    let Some(driver) = Driver::start() else { return };
    let data = tempfile::tempdir().unwrap();
    let pulse = Observatory::start(&["serve", "--data", &data.path().display().to_string()]);
    on_a_runtime(async {
        let page =
            Page::open(&driver, &format!("{}/service/signal", pulse.url()), "Bibi", Device::default()).await;
        page.shows("No reports in the last hour.").await;
        page.is_accessible().await;
        page.press("button", "Receiving").await;
        page.shows("Thank you. Your report has been counted.").await;
        page.is_accessible().await;
        // The page renews itself while it is open.
        page.shows("1 report in the last hour").await;
        let phone = Device { language: "fr", width: 360, height: 800, ..Device::default() };
        let small = Page::open(&driver, &pulse.url(), "Chantal", phone).await;
        for path in ["/", "/service/signal", "/subscribe", "/how-we-know", "/nothing-here"] {
            let address = format!("{}{path}", pulse.url());
            for page in [&page, &small] {
                page.client.goto(&address).await.unwrap();
                page.fits_its_window().await;
                page.is_accessible().await;
            }
        }
        page.client.close().await.unwrap();
        small.client.close().await.unwrap();
    });
    let series = pulse.until("/v1/services/signal/series", |said| reported(said) > 0.0);
    assert_eq!(reported(&series), 1.0);
}

#[test]
fn a_visitor_sees_the_day_of_july_2023_from_the_first_doubt_to_the_end() {
    let Some(driver) = Driver::start() else { return };
    on_a_runtime(async {
        // The day does not wait for a browser to start.
        let page = Page::open(&driver, "about:blank", "Awa", Device::default()).await;
        let day = Observatory::start(&["demo", "--minute-ms", "800", "--only", "wa-2023-07-19"]);
        let address = format!("{}/service/whatsapp", day.url());
        let reload_until = async |what: &str| {
            page.until(what, async || {
                page.client.goto(&address).await.unwrap();
                page.text().await.contains(what).then_some(())
            })
            .await;
        };
        reload_until("Yes. WhatsApp").await;
        page.shows("It is not you. Do not restart your router.").await;
        page.is_accessible().await;
        page.picture("pulse", 1180, 1300).await;
        reload_until("Over WhatsApp fails worldwide").await;
        page.press("link", "All about it The world").await;
        page.shows("It is over.").await;
        page.is_accessible().await;
        let steps = page.text().await;
        let at = |step: &str| steps.find(step).unwrap_or_else(|| panic!("no “{step}” in\n{steps}"));
        // The newest comes first.
        assert!(at("It is over.") < at("Measurements confirm it."), "{steps}");
        assert!(at("Measurements confirm it.") < at("Something unusual was seen."), "{steps}");
        page.client.close().await.unwrap();
    });
}

/// As long as a person looks before pressing a button.
const A_LOOK: Duration = Duration::from_millis(2_500);

/// How many reported in a day.
fn reported(series: &Value) -> f64 {
    let bins = series["series"].as_array().into_iter().flatten();
    bins.filter_map(|bin| bin["reports"].as_f64()).sum()
}

fn on_a_runtime(story: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(story);
}
