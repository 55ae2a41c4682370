// Refreshes the measured parts of a page in place. Without this module the page reloads as a whole.

const every = Number(document.body.dataset.refreshS) * 1000;
const line = document.getElementById("refreshed");
let paused = false;
let lastAt = Date.now();

function tell(text, stale) {
  document.documentElement.toggleAttribute("data-stale", stale);
  if (line.textContent !== text) line.textContent = text;
}

function opened(part) {
  return [...part.querySelectorAll("details[id][open]")].map((one) => one.id);
}

function scrolled(part) {
  return [...part.querySelectorAll("[data-scroll]")].map((one) => one.scrollLeft);
}

function take(fresh) {
  for (const part of document.querySelectorAll("[data-live]")) {
    const next = fresh.getElementById(part.id);
    if (!next || next.outerHTML === part.outerHTML) continue;
    const open = opened(part);
    const places = scrolled(part);
    const focused = part.contains(document.activeElement) ? document.activeElement.id : "";
    part.replaceWith(document.adoptNode(next));
    for (const id of open) document.getElementById(id)?.setAttribute("open", "");
    next.querySelectorAll("[data-scroll]").forEach((one, at) => (one.scrollLeft = places[at] ?? 0));
    if (focused) document.getElementById(focused)?.focus({ preventScroll: true });
  }
  document.title = fresh.title;
}

async function refresh() {
  const since = line.dataset.at;
  try {
    const answer = await fetch(location.href, { cache: "no-store", signal: AbortSignal.timeout(25_000) });
    if (answer.redirected) return location.assign(answer.url); // the session ended: the form says so
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    if (!answer.ok) {
      const said = fresh.querySelector("[data-problem]")?.textContent.trim() ?? `the server answers ${answer.status}`;
      return tell(`Old figures, of ${since} UTC. ${said}`, true);
    }
    take(fresh);
    line.dataset.at = fresh.getElementById("refreshed").dataset.at;
    tell(fresh.getElementById("refreshed").textContent, false);
    lastAt = Date.now();
  } catch {
    tell(`Old figures, of ${since} UTC. The server does not answer.`, true);
  }
}

function turn() {
  if (!paused && !document.hidden) refresh();
}

if (every > 0) {
  setInterval(turn, every);
  document.addEventListener("visibilitychange", () => {
    if (Date.now() - lastAt > every) turn();
  });
  const button = document.getElementById("pause");
  button.hidden = false;
  button.addEventListener("click", () => {
    paused = !paused;
    button.setAttribute("aria-pressed", String(paused));
    button.textContent = paused ? "Resume" : "Pause";
    if (!paused) refresh();
  });
}
