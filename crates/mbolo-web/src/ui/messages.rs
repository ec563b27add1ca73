//! The log of a conversation: only the rows near the view are in the page, and what one reads stays where it is.
//!
//! After every change the rows are drawn, measured before the paint, and the anchor is put back in its place.
//! The arithmetic is in `model::scroll`.

use leptos::html::Div;
use leptos::prelude::*;
use wasm_bindgen::JsCast;
use web_sys::{Element, HtmlElement};

use super::bubble::{Bubble, EventLine};
use super::dom;
use super::icons::Icon;
use super::state::app;
use crate::model::scroll::{Anchor, Heights, Window};
use crate::model::timeline::Row;
use crate::texts::{t, t_with};

/// Closer to the end than this counts as being there, in CSS pixels.
const END_SLACK: f64 = 48.0;

/// Older messages are fetched when fewer pixels than this are left above.
const FETCH_AHEAD: f64 = 1_200.0;

/// How often a change is drawn and measured again until heights agree.
const SETTLE_ROUNDS: u8 = 4;

#[derive(Clone, Copy)]
struct Log {
    scroller: NodeRef<Div>,
    keys: Memo<Vec<String>>,
    window: RwSignal<Window>,
    heights: StoredValue<Heights>,
    anchor: StoredValue<Anchor>,
    /// Whether the unread marker has been brought into view.
    placed: StoredValue<bool>,
    /// The viewport's height when the rows were last settled.
    height: StoredValue<i32>,
}

/// The log of a room.
#[component]
pub fn MessageLog(room: String) -> impl IntoView {
    let app = app();
    let rows = Memo::new(move |_| app.timeline.with(|timeline| timeline.rows(dom::day_of)));
    let log = Log {
        scroller: NodeRef::new(),
        keys: Memo::new(move |_| rows.with(|rows| rows.iter().map(Row::key).collect())),
        window: RwSignal::new(Window::default()),
        heights: StoredValue::new(Heights::default()),
        anchor: StoredValue::new(Anchor::Bottom),
        placed: StoredValue::new(false),
        height: StoredValue::new(0),
    };
    Effect::new(move || {
        log.keys.track();
        app.timeline.track();
        log.place_first();
        log.redraw();
    });
    // Sending brings one back to the end.
    Effect::new(move || {
        if app.at_end.get() {
            log.anchor.set_value(Anchor::Bottom);
            log.redraw();
        }
    });
    Effect::new(move || {
        if let Some(scroller) = log.scroller.get() {
            watch_size(&scroller, log);
        }
    });
    let drawn = move || {
        let window = log.window.get();
        rows.with(|rows| rows.get(window.first..window.end.min(rows.len())).unwrap_or_default().to_vec())
    };
    let below = Memo::new(move |_| {
        if app.at_end.get() {
            return None;
        }
        let last_seen = log.window.with(|_| log.last_visible());
        Some(app.timeline.with(|timeline| last_seen.map_or(0, |id| timeline.others_after(&id))))
    });
    let empty = Memo::new(move |_| app.timeline.with(|timeline| timeline.loaded && timeline.is_empty()));
    let loading = Memo::new(move |_| app.timeline.with(|timeline| !timeline.loaded));
    let beginning = Memo::new(move |_| app.timeline.with(|timeline| timeline.loaded && !timeline.more));
    let jump = move |_| {
        app.at_end.set(true);
        log.anchor.set_value(Anchor::Bottom);
        log.redraw();
        dom::focus_soon("composer");
    };
    view! {
        <div class="log-frame" data-room=room>
            <div node_ref=log.scroller class="log" role="log" aria-label=t("messages-label") tabindex="0"
                aria-live=move || if app.at_end.get() { "polite" } else { "off" }
                aria-busy=move || (app.loading_older.get() || loading.get()).to_string()
                on:scroll=move |_| log.scrolled()>
                <Show when=move || loading.get()><div class="log-skeleton" aria-hidden="true">
                    <span class="bone bubble-bone"></span><span class="bone bubble-bone own"></span><span class="bone bubble-bone wide"></span>
                    <span class="bone bubble-bone own wide"></span><span class="bone bubble-bone"></span>
                </div></Show>
                <Show when=move || empty.get()><p class="nothing">{t("conversation-empty")}</p></Show>
                <div class="log-space" style:height=move || format!("{}px", log.window.get().above.round() as i64)></div>
                <Show when=move || beginning.get() && log.window.get().first == 0 && !empty.get()>
                    <p class="beginning">{Icon::Key.view()} {t("conversation-beginning")}</p>
                </Show>
                <For each=drawn key=|row| row.clone() let(row)>
                    <div class="row" data-key=row.key()>{draw(&row)}</div>
                </For>
                <div class="log-space" style:height=move || format!("{}px", log.window.get().below.round() as i64)></div>
            </div>
            {move || below.get().map(|count| {
                let name = if count == 0 { t("jump-latest") } else { t_with("jump-latest-count", &[("count", count.into())]) };
                view! {
                    <button type="button" class="jump" aria-label=name.clone() title=name on:click=jump>
                        {Icon::Down.view()} {(count > 0).then(|| view! { <span class="badge">{count}</span> })}
                    </button>
                }
            })}
        </div>
    }
}

fn draw(row: &Row) -> AnyView {
    match row {
        Row::Day(at_ms) => view! { <h2 class="day"><span>{dom::day_name(*at_ms)}</span></h2> }.into_any(),
        Row::Unread => view! { <p class="unread-marker"><span>{t("messages-unread")}</span></p> }.into_any(),
        Row::Event(id) => view! { <EventLine id=id.clone() /> }.into_any(),
        Row::Message { id, first, last } => {
            view! { <Bubble id=id.clone() first=*first last=*last /> }.into_any()
        }
    }
}

impl Log {
    fn element(&self) -> Option<HtmlElement> {
        self.scroller.get_untracked().map(|div| div.unchecked_into())
    }

    /// A conversation opens at its unread marker, if that is not near the end anyway.
    fn place_first(&self) {
        let app = app();
        if self.placed.get_value() || !app.timeline.with_untracked(|timeline| timeline.loaded) {
            return;
        }
        self.placed.set_value(true);
        const FEW: usize = 5;
        let many = app
            .timeline
            .with_untracked(|timeline| timeline.unread_from.as_ref().map(|id| timeline.others_after(id)));
        if many.is_some_and(|count| count > FEW) {
            self.anchor.set_value(Anchor::Row { key: "unread".into(), offset: 80.0 });
            app.at_end.set(false);
        }
    }

    /// Decides which rows are drawn, and settles them before the next paint.
    fn redraw(&self) {
        self.choose_rows();
        let log = *self;
        dom::before_paint(move || log.settle(SETTLE_ROUNDS));
    }

    fn choose_rows(&self) {
        let height = self.element().map_or(800.0, |element| f64::from(element.client_height()).max(400.0));
        let window = self.keys.with_untracked(|keys| {
            self.heights
                .with_value(|heights| self.anchor.with_value(|anchor| heights.window(keys, anchor, height)))
        });
        if self.window.get_untracked() != window {
            self.window.set(window);
        }
    }

    fn settle(&self, rounds: u8) {
        let Some(Some(scroller)) = self.scroller.try_get_untracked() else { return };
        let scroller: HtmlElement = scroller.unchecked_into();
        let mut news = false;
        for row in rows_of(&scroller) {
            if let Some(key) = row.get_attribute("data-key") {
                let height = row.get_bounding_client_rect().height();
                self.heights.update_value(|heights| news |= heights.measured(&key, height));
            }
        }
        self.height.set_value(scroller.client_height());
        self.put_back(&scroller);
        if news && rounds > 0 {
            self.choose_rows();
            let log = *self;
            dom::before_paint(move || log.settle(rounds - 1));
        }
    }

    /// Scrolls so that the anchor is where it was.
    fn put_back(&self, scroller: &HtmlElement) {
        match self.anchor.get_value() {
            Anchor::Bottom => scroller.set_scroll_top(scroller.scroll_height()),
            Anchor::Row { key, offset } => {
                let row = rows_of(scroller)
                    .into_iter()
                    .find(|row| row.get_attribute("data-key").as_ref() == Some(&key));
                if let Some(row) = row {
                    let moved = row.get_bounding_client_rect().top()
                        - scroller.get_bounding_client_rect().top()
                        - offset;
                    if moved.abs() >= 1.0 {
                        scroller.set_scroll_top(scroller.scroll_top() + moved.round() as i32);
                    }
                }
            }
        }
    }

    fn scrolled(&self) {
        let app = app();
        let Some(scroller) = self.element() else { return };
        // Nobody has scrolled: a keyboard or a banner came or went, and the anchor is put back anyway.
        if scroller.client_height() != self.height.get_value() {
            return self.redraw();
        }
        let (top, height) = (f64::from(scroller.scroll_top()), f64::from(scroller.client_height()));
        let at_end = f64::from(scroller.scroll_height()) - top - height < END_SLACK;
        let first = rows_of(&scroller).into_iter().find_map(|row| {
            let edge = scroller.get_bounding_client_rect().top();
            let place = row.get_bounding_client_rect();
            let in_view = place.bottom() > edge && place.top() < edge + height;
            let key = in_view.then(|| row.get_attribute("data-key")).flatten()?;
            Some((key, place.top() - edge))
        });
        let anchor = match first {
            _ if at_end => Anchor::Bottom,
            Some((key, offset)) => Anchor::Row { key, offset },
            // Thrown past everything that is drawn: guess the row from the heights.
            None => match self.row_at(top) {
                Some(key) => Anchor::Row { key, offset: 0.0 },
                None => Anchor::Bottom,
            },
        };
        self.anchor.set_value(anchor);
        if app.at_end.get_untracked() != at_end {
            app.at_end.set(at_end);
        }
        if at_end {
            app.mark_read();
        }
        // Rows are only drawn anew when the edge of what is drawn comes near.
        let window = self.window.get_untracked();
        let near_top = window.first > 0 && top < window.above + height / 2.0;
        let drawn_end = f64::from(scroller.scroll_height()) - window.below;
        let near_bottom = window.below > 0.0 && top + height > drawn_end - height / 2.0;
        if near_top || near_bottom {
            self.redraw();
        }
        if top < FETCH_AHEAD {
            app.load_older();
        }
    }

    fn row_at(&self, y: f64) -> Option<String> {
        self.keys.with_untracked(|keys| self.heights.with_value(|heights| heights.row_at(keys, y)))
    }

    /// The id of the lowest message in view.
    fn last_visible(&self) -> Option<String> {
        let scroller = self.element()?;
        let edge = scroller.get_bounding_client_rect().bottom();
        let rows = rows_of(&scroller);
        rows.into_iter().rev().find_map(|row| {
            (row.get_bounding_client_rect().top() < edge).then(|| row.get_attribute("data-key")).flatten()
        })
    }
}

fn rows_of(scroller: &HtmlElement) -> Vec<Element> {
    let rows = scroller.query_selector_all(".row").ok();
    let count = rows.as_ref().map_or(0, web_sys::NodeList::length);
    (0..count).filter_map(|n| rows.as_ref()?.item(n)?.dyn_into().ok()).collect()
}

/// The keyboard of a phone or a turned screen changes the height; the anchor holds.
fn watch_size(scroller: &web_sys::HtmlDivElement, log: Log) {
    use wasm_bindgen::closure::Closure;
    let callback = Closure::<dyn FnMut()>::new(move || {
        if log.scroller.try_get_untracked().flatten().is_some() {
            log.redraw();
        }
    });
    if let Ok(observer) = web_sys::ResizeObserver::new(callback.as_ref().unchecked_ref()) {
        observer.observe(scroller);
        let kept = StoredValue::new_local((observer, callback));
        on_cleanup(move || kept.with_value(|(observer, _)| observer.disconnect()));
    }
}
