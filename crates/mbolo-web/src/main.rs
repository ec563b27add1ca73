//! The start of the UI in a page. Natively there is nothing to start.

fn main() {
    #[cfg(target_arch = "wasm32")]
    mbolo_web::ui::start();
}
