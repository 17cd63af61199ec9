//! Chromium, by WebDriver: a few commands of JSON over HTTP, for which a client would be more code than this.

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::Path,
    process::Stdio,
};

use base64::{Engine, prelude::BASE64_STANDARD};
use macadam_test::wire::Client;
use serde_json::{Value, json};
use tokio::{
    fs,
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
};

use crate::Result;

/// To be [closed](Self::close): who kills its driver leaves the browser behind.
pub(crate) struct Browser {
    address: SocketAddr,
    session: String,
    _driver: Child,
}

impl Browser {
    pub(crate) async fn start() -> Result<Self> {
        let mut driver = Command::new("chromedriver")
            .arg("--port=0")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| format!("chromedriver, of Debian's chromium-driver: {error}"))?;
        let mut said = BufReader::new(driver.stdout.take().ok_or("its output is piped")?).lines();
        let port = loop {
            let line = said.next_line().await?.ok_or("chromedriver ended at once")?;
            if let Some((_, port)) = line.split_once("started successfully on port ") {
                break port.trim_end_matches('.').parse()?;
            }
        };
        // What it says from here on is read and forgotten, so that it never waits.
        tokio::spawn(async move { while let Ok(Some(_)) = said.next_line().await {} });
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let options = json!({ "capabilities": { "alwaysMatch": {
            "goog:loggingPrefs": { "browser": "ALL" },
            // Without a sandbox, since containers run it as root; it sees nothing but our own page.
            "goog:chromeOptions": { "args": ["--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"] },
        }}});
        let mut browser = Self { address, session: String::new(), _driver: driver };
        let session = browser.command("", options).await?;
        browser.session = session["sessionId"].as_str().ok_or("a session has an id")?.to_owned();
        Ok(browser)
    }

    /// Ends the browser, and then the driver.
    pub(crate) async fn close(self) -> Result {
        let mut client = Client::connect(self.address).await;
        let head = format!("DELETE /session/{} HTTP/1.1\r\nhost: {}\r\n\r\n", self.session, self.address);
        client.try_send(head).await?;
        client.try_response().await.map(drop).map_err(Into::into)
    }

    pub(crate) async fn go(&self, url: &str) -> Result {
        self.command("/url", json!({ "url": url })).await.map(drop)
    }

    /// Runs a function's body in the page, and returns what that does.
    pub(crate) async fn run(&self, script: &str) -> Result<Value> {
        self.command("/execute/sync", json!({ "script": script, "args": [] })).await
    }

    pub(crate) async fn picture(&self, path: &Path) -> Result {
        let shot = self.devtools("Page.captureScreenshot", json!({ "format": "png" })).await?;
        let png = BASE64_STANDARD.decode(shot["data"].as_str().ok_or("a picture is text")?)?;
        Ok(fs::write(path, png).await?)
    }

    pub(crate) async fn size(&self, width: u32, height: u32) -> Result {
        let screen =
            json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500 });
        self.devtools("Emulation.setDeviceMetricsOverride", screen).await.map(drop)
    }

    pub(crate) async fn colours(&self, scheme: &str) -> Result {
        let media = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        self.devtools("Emulation.setEmulatedMedia", media).await.map(drop)
    }

    pub(crate) async fn without_scripts(&self) -> Result {
        self.devtools("Emulation.setScriptExecutionDisabled", json!({ "value": true })).await.map(drop)
    }

    /// The document as it stands, for which no script has to run.
    pub(crate) async fn html(&self) -> Result<String> {
        let document = self.devtools("DOM.getDocument", json!({ "depth": 0 })).await?;
        let node = json!({ "nodeId": document["root"]["nodeId"] });
        let html = self.devtools("DOM.getOuterHTML", node).await?;
        Ok(html["outerHTML"].as_str().ok_or("a document is text")?.to_owned())
    }

    /// What it said on its console: refusals by the page's policy among it.
    pub(crate) async fn complaints(&self) -> Result<Vec<Value>> {
        let said = self.command("/se/log", json!({ "type": "browser" })).await?;
        Ok(said.as_array().cloned().unwrap_or_default())
    }

    async fn devtools(&self, command: &str, parameters: Value) -> Result<Value> {
        self.command("/goog/cdp/execute", json!({ "cmd": command, "params": parameters })).await
    }

    /// Posts to the session, or for one.
    async fn command(&self, path: &str, body: Value) -> Result<Value> {
        let session = if self.session.is_empty() { String::new() } else { format!("/{}", self.session) };
        let (address, body) = (self.address, body.to_string());
        let head = format!(
            "POST /session{session}{path} HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        let mut client = Client::connect(address).await;
        client.try_send(head + &body).await?;
        let reply = client.try_response().await?.ok_or("chromedriver closed the connection")?;
        let answer: Value = serde_json::from_slice(&reply.body)?;
        if reply.status.is_success() {
            Ok(answer["value"].clone())
        } else {
            Err(format!("{path}: {answer}").into())
        }
    }
}
