// Refreshes the measured parts of a page in place. Without this module the page reloads as a whole.

const every = Number(document.body.dataset.refreshS) * 1000;
const line = document.getElementById("refreshed");
let paused = false;
let lastAt = Date.now();

function tell(text, stale) {
  document.documentElement.toggleAttribute("data-stale", stale);
  if (line.textContent !== text) line.textContent = text;
}

// Nothing that is shown is known any more: word, colour and title say so, and the figures stay as what they were.
function forget() {
  const word = document.getElementById("verdict-word") ?? document.querySelector("main .word");
  if (!document.title.startsWith("Not known")) document.title = `Not known · ${document.title}`;
  if (word && word.textContent !== "Not known") {
    word.title = `It was: ${word.textContent.trim()}`;
    word.textContent = "Not known";
  }
  for (const one of document.querySelectorAll(".ticket, .sheet, .gauges > li")) turnUnknown(one);
}

function turnUnknown(part) {
  part.classList.remove("right", "accepted", "attention", "wrong");
  part.classList.add("unknown");
  for (const mark of part.querySelectorAll("svg.mark:not(.unknown)")) {
    const hollow = document.getElementById("not-known").content.firstElementChild.cloneNode(true);
    if (mark.hasAttribute("aria-label")) {
      hollow.removeAttribute("aria-hidden");
      hollow.setAttribute("role", "img");
      hollow.setAttribute("aria-label", "not known");
    }
    mark.replaceWith(hollow);
  }
}

function opened(part) {
  return [...part.querySelectorAll("details[id][open]")].map((one) => one.id);
}

function scrolled(part) {
  return [...part.querySelectorAll("[data-scroll]")].map((one) => one.scrollLeft);
}

// Does somebody work in it: is the focus there, is text of it selected, or was a form of it begun?
function held(part) {
  const active = document.activeElement;
  if (active && active !== document.body && part.contains(active)) return true;
  const chosen = getSelection();
  if (chosen && !chosen.isCollapsed && chosen.containsNode(part, true)) return true;
  return [...part.querySelectorAll("input, select, textarea")].some((one) =>
    one.type === "checkbox" || one.type === "radio"
      ? one.checked !== one.defaultChecked
      : one.tagName === "SELECT"
        ? [...one.options].some((option) => option.selected !== option.defaultSelected && one.selectedIndex > 0)
        : one.type !== "hidden" && one.value !== one.defaultValue,
  );
}

const ROWS = "tr, li, form, p, h2, h3, caption, footer, figure, details > summary";

// Brings `old` to what `next` says, row by row, and leaves alone what somebody works in: that is marked as changed.
function merge(old, next) {
  if (old.isEqualNode(next)) return;
  if (!held(old)) {
    const open = opened(old);
    const places = scrolled(old);
    const fresh = document.adoptNode(next);
    old.replaceWith(fresh);
    for (const id of open) document.getElementById(id)?.setAttribute("open", "");
    fresh.querySelectorAll("[data-scroll]").forEach((one, at) => (one.scrollLeft = places[at] ?? 0));
    return;
  }
  const [mine, theirs] = [[...old.children], [...next.children]];
  if (old.matches(ROWS) || mine.length === 0) {
    if (old.textContent !== next.textContent) old.setAttribute("data-changed", "");
    return;
  }
  old.className = next.className;
  const named = new Map(theirs.filter((one) => one.id).map((one) => [one.id, one]));
  const unnamed = theirs.filter((one) => !one.id);
  for (const one of mine) {
    const other = one.id ? named.get(one.id) : unnamed.find((each) => each.tagName === one.tagName);
    if (!other) {
      if (held(one)) one.setAttribute("data-changed", "");
      else one.remove();
      continue;
    }
    if (one.id) named.delete(one.id);
    else unnamed.splice(unnamed.indexOf(other), 1);
    merge(one, other);
  }
  for (const one of [...named.values(), ...unnamed]) old.append(document.adoptNode(one));
}

function take(fresh) {
  for (const part of document.querySelectorAll("[data-live]")) {
    const next = fresh.getElementById(part.id);
    if (next) merge(part, next);
  }
  document.title = fresh.title;
}

async function refresh() {
  const since = line.dataset.at;
  try {
    const answer = await fetch(location.href, { cache: "no-store", headers: { "counterfoil-refresh": "1" }, signal: AbortSignal.timeout(25_000) });
    if (answer.redirected) return location.assign(answer.url); // the session ended: the form says so
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    if (!answer.ok) {
      const said = fresh.querySelector("[data-problem]")?.textContent.trim() ?? `the server answers ${answer.status}`;
      forget();
      return tell(`Old figures, of ${since} UTC. ${said}`, true);
    }
    take(fresh);
    line.dataset.at = fresh.getElementById("refreshed").dataset.at;
    tell(fresh.getElementById("refreshed").textContent, false);
    lastAt = Date.now();
  } catch {
    forget();
    tell(`Old figures, of ${since} UTC. The server does not answer.`, true);
  }
}

function turn() {
  if (!paused && !document.hidden) refresh();
}

// A page that nobody refreshes, because it is paused or hidden, does not stay green for ever.
function age() {
  const old = Date.now() - lastAt > Math.max(3 * every, 90_000);
  if (!old || document.documentElement.hasAttribute("data-stale")) return;
  forget();
  tell(`Old figures, of ${line.dataset.at} UTC. They were not refreshed since.`, true);
}

if (every > 0 && line) { // a page without figures that it measures has no such line
  setInterval(turn, every);
  setInterval(age, 5_000);
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
