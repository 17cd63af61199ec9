"use strict";
const main = document.querySelector("main");
const live = document.getElementById("live");

function show(html) {
  // What somebody is about to copy stays.
  if (!getSelection().isCollapsed) return;
  const open = [...main.querySelectorAll("details[open]")].map((details) => details.id);
  // The server has escaped it.
  main.innerHTML = html;
  for (const id of open) document.getElementById(id).open = true;
}

function listen() {
  const events = new EventSource("stream");
  events.onopen = () => { live.textContent = "live"; };
  events.onmessage = (event) => show(event.data);
  events.onerror = () => {
    live.textContent = "no longer live, since " + new Date().toLocaleTimeString();
    // Refused: the browser does not come back by itself.
    if (events.readyState === EventSource.CLOSED) setTimeout(listen, 5000);
  };
}

listen();
