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
  const word = document.getElementById("verdict-word") ?? document.querySelector("main p.word");
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

// Is it where somebody is: is the focus there, or is text of it selected?
function pinned(part) {
  const active = document.activeElement;
  if (active && active !== document.body && part.contains(active)) return true;
  const chosen = getSelection();
  return Boolean(chosen && !chosen.isCollapsed && chosen.containsNode(part, true));
}

// Does somebody work in it: are they there, or was a form of it begun?
function held(part) {
  if (pinned(part)) return true;
  return [...part.querySelectorAll("input, select, textarea")].some((one) =>
    one.type === "checkbox" || one.type === "radio"
      ? one.checked !== one.defaultChecked
      : one.tagName === "SELECT"
        ? [...one.options].some((option) => option.selected !== option.defaultSelected && one.selectedIndex > 0)
        : one.type !== "hidden" && one.value !== one.defaultValue,
  );
}

// What a part says, but for what was looked at in it meanwhile.
function said(part) {
  const copy = part.cloneNode(true);
  for (const one of copy.querySelectorAll("output")) one.remove();
  return copy.textContent;
}

const ROWS = "tr, li, form, p, h1, h2, h3, caption, footer, figure, details > summary";

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
  if (old.matches(ROWS) || old.children.length === 0) {
    if (said(old) !== said(next)) old.setAttribute("data-changed", "");
    return;
  }
  old.className = next.className;
  arrange(old, pairs(old, next));
}

// What stands in `old` and in `next` for the same thing: by its id, else the next of its kind; one of the two may be missing.
function pairs(old, next) {
  const mine = [...old.children];
  const found = [...next.children].map((theirs) => {
    const at = mine.findIndex((one) => (theirs.id ? one.id === theirs.id : !one.id && one.tagName === theirs.tagName));
    return [at < 0 ? null : mine.splice(at, 1)[0], theirs];
  });
  for (const one of mine) {
    if (!held(one)) one.remove();
    else {
      one.setAttribute("data-changed", "");
      found.splice(found.findIndex(([before]) => before === one.previousElementSibling) + 1, 0, [one, null]);
    }
  }
  return found;
}

// Puts them in their order. Whoever is somewhere stays there: all else is moved around it, because what is moved loses the focus.
function arrange(old, found) {
  let place = old.firstElementChild;
  for (const [mine, theirs] of found) {
    while (mine && place && place !== mine && pinned(mine)) {
      const later = place.nextElementSibling;
      place.remove();
      place = later;
    }
    if (mine && mine === place) place = place.nextElementSibling;
    else old.insertBefore(mine ?? document.adoptNode(theirs), place);
    if (mine && theirs) merge(mine, theirs);
  }
}

function take(fresh) {
  for (const part of document.querySelectorAll("[data-live]")) {
    const next = fresh.getElementById(part.id);
    if (next) merge(part, next);
  }
  document.title = fresh.title;
}

// One question at a time. What takes its time is said after two seconds; until then nobody notices.
let asked = false;

async function refresh() {
  if (asked) return;
  asked = true;
  const since = line.dataset.at;
  const late = setTimeout(() => {
    document.documentElement.toggleAttribute("data-asking", true);
    if (!document.documentElement.hasAttribute("data-stale")) tell(`Measured ${since} UTC. Asked again, no answer yet`, false);
  }, 2_000);
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
  } finally {
    clearTimeout(late);
    document.documentElement.toggleAttribute("data-asking", false);
    asked = false;
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

// What a form would do is told while it is filled in: the same look that its button takes, of which nothing is kept.
let looking = null;
let soon = 0;

async function look(form) {
  looking?.abort();
  looking = new AbortController();
  const told = form.querySelector("output");
  const body = new URLSearchParams(new FormData(form));
  if (body.get("reason") === "") body.set("reason", "a look while it is filled in"); // it is asked for, and kept nowhere
  try {
    const answer = await fetch(form.action, { method: "POST", body, signal: looking.signal });
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    const found = fresh.querySelector(`#${form.id} .told`) ?? fresh.querySelector("#refused strong");
    const books = fresh.querySelector(`#${form.id} .books`);
    told.replaceChildren(found ? found.textContent.replace(/^\s*Nothing is changed yet\. If you confirm:/, "").trim() : "");
    if (books) told.append(document.adoptNode(books));
    told.hidden = !found;
  } catch {
    told.hidden = true; // it is looked at by the button, which says why it cannot be
  }
}

document.addEventListener("input", (typed) => {
  const form = typed.target.closest("form[data-look]");
  if (!form || typed.target.name === "reason") return;
  clearTimeout(soon);
  soon = setTimeout(look, 600, form);
});

// A slash goes to the search, from wherever nothing is being typed.
document.addEventListener("keydown", (key) => {
  if (key.key !== "/" || key.ctrlKey || key.metaKey || key.altKey || key.target.closest("input, select, textarea")) return;
  key.preventDefault();
  document.getElementById("q").focus();
});
