//! Drives the status page in headless Chromium while its service is overloaded and a check fails.
//!
//! `cargo run -p macadam-page`, with Debian's `chromium` and `chromium-driver`. It fails where the page does not show
//! within 2 s that requests are shed and that a check is down, where the browser refuses anything of it, or where it is
//! not whole without scripts. What it sees it leaves as pictures. It ends by itself, after some 20 s.
#![expect(clippy::print_stdout, reason = "a command talks on its terminal")]

mod browser;
mod service;

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use clap::Parser;
use serde_json::{Value, json};
use tokio::{
    fs,
    time::{Instant, sleep, timeout},
};

use crate::{browser::Browser, service::Service};

type Result<T = ()> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

#[derive(Parser)]
struct Args {
    /// Where the pictures go
    #[arg(long, value_name = "FOLDER", default_value = "target/page")]
    pictures: PathBuf,
}

#[tokio::main]
async fn main() -> Result {
    let Args { pictures } = Args::parse();
    let browser = Browser::start().await?;
    let driven = timeout(LIMIT, drive(&browser, &pictures)).await;
    browser.close().await?;
    driven.map_err(|_| format!("not over after {LIMIT:?}"))?
}

async fn drive(browser: &Browser, pictures: &Path) -> Result {
    fs::create_dir_all(pictures).await?;
    let service = Service::start().await?;
    browser.size(1000, 900).await?;
    browser.go(&service.page()).await?;
    let calm = shows(browser, |seen| seen["live"] == "live" && seen["rate"].as_f64() > Some(10.0)).await?;
    expect(
        calm["shed"] == "0" && calm["down"] == 0,
        "a calm service sheds nothing and has no check down",
        &calm,
    )?;
    // A history to look at.
    sleep(Duration::from_secs(6)).await;

    service.overload();
    let from = Instant::now();
    let seen = shows(browser, |seen| seen["shed"] != "0" && seen["down"] == 1).await?;
    let took = from.elapsed();
    println!("from the overload and the failure to both on the page: {took:.2?}: {seen}");
    expect(took <= AT_MOST, "the page shows a shed and a failing check within 2 s", &seen)?;
    sleep(Duration::from_secs(3)).await;

    browser.colours("dark").await?;
    browser.picture(&pictures.join("dark.png")).await?;
    browser.colours("light").await?;
    browser.size(390, 900).await?;
    let phone = shows(browser, |_| true).await?;
    expect(phone["overflow"] == false, "on a phone nothing but a table is wider than the screen", &phone)?;
    browser.picture(&pictures.join("phone.png")).await?;
    let complaints = browser.complaints().await?;
    expect(complaints.is_empty(), "the browser refuses nothing", &complaints.into())?;

    browser.without_scripts().await?;
    browser.go(&service.page()).await?;
    let first = browser.html().await?;
    for word in ["as of when it was loaded", "connection refused", "class=\"badge fail\"", "/orders/{id}"] {
        expect(first.contains(word), "the page is whole without scripts", &json!({ "not there": word }))?;
    }
    let mut again = first.clone();
    while again == first {
        sleep(Duration::from_millis(200)).await;
        again = browser.html().await?;
    }
    println!("without scripts it is whole, and comes anew by itself");
    Ok(())
}

/// Looks every 50 ms until what is seen is as wanted.
async fn shows(browser: &Browser, wanted: fn(&Value) -> bool) -> Result<Value> {
    let until = Instant::now() + Duration::from_secs(10);
    loop {
        let seen = browser.run(LOOK).await?;
        if wanted(&seen) {
            return Ok(seen);
        }
        expect(Instant::now() < until, "the page shows it at all", &seen)?;
        sleep(Duration::from_millis(50)).await;
    }
}

fn expect(holds: bool, claim: &str, seen: &Value) -> Result {
    if holds { Ok(()) } else { Err(format!("not so: {claim}: {seen}").into()) }
}

const LOOK: &str = r##"
    const text = (id) => document.getElementById(id)?.textContent;
    return {
        live: text("live"),
        rate: Number(text("rate")),
        shed: text("shed"),
        down: document.querySelectorAll("table#checks .badge.fail").length,
        overflow: document.documentElement.scrollWidth > document.documentElement.clientWidth,
    };
"##;
const AT_MOST: Duration = Duration::from_secs(2);
const LIMIT: Duration = Duration::from_secs(120);
