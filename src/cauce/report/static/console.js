// Fetches this page again every five seconds and puts its <main> in place of the old one.
// Without this script the page is complete, and reloads itself every thirty seconds.
"use strict";
(() => {
  const EVERY_MS = 5000;
  const live = document.getElementById("live");

  const tell = (state) => {
    if (!live || live.dataset.state === state) return;
    live.dataset.state = state;
    live.textContent = live.dataset[state] || "";
  };

  const opened = () => new Set([...document.querySelectorAll("details[open][id]")].map((each) => each.id));

  const FOCUSABLE = "a, summary, .scroll";

  // While somebody selects text, replacing the page would take it from under their hands.
  const busy = () => {
    const selection = window.getSelection();
    return Boolean(selection && !selection.isCollapsed);
  };

  const replace = (text) => {
    const fresh = new DOMParser().parseFromString(text, "text/html").getElementById("main");
    const old = document.getElementById("main");
    if (!fresh || !old) { window.location.reload(); return; }
    const scrolled = [...old.querySelectorAll(".scroll")].map((each) => each.scrollLeft);
    const open = opened();
    const focused = [...old.querySelectorAll(FOCUSABLE)].indexOf(document.activeElement);
    old.replaceWith(document.adoptNode(fresh));
    for (const id of open) document.getElementById(id)?.setAttribute("open", "");
    if (focused >= 0) fresh.querySelectorAll(FOCUSABLE)[focused]?.focus({ preventScroll: true });
    fresh.querySelectorAll(".scroll").forEach((each, at) => { each.scrollLeft = scrolled[at] || 0; });
  };

  const refresh = async () => {
    if (document.hidden || busy()) { tell("paused"); return; }
    try {
      const answer = await fetch(window.location.pathname, {
        headers: { "X-Cauce-Refresh": "1", Accept: "text/html" }, credentials: "same-origin", cache: "no-store",
        signal: AbortSignal.timeout(4 * EVERY_MS),
      });
      if (answer.status === 401 || answer.status === 403) { window.location.reload(); return; }
      if (!answer.ok) throw new Error(String(answer.status));
      const text = await answer.text();
      if (!busy() && !document.hidden) replace(text);
      tell("live");
    } catch {
      tell("lost");
    }
  };

  const loop = async () => { await refresh(); window.setTimeout(loop, EVERY_MS); };

  document.addEventListener("visibilitychange", () => { if (!document.hidden) refresh(); });
  tell("live");
  window.setTimeout(loop, EVERY_MS);
})();
