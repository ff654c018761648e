// The turn that is shown, decisions, moving on, keys, and the file.
const strip = $("strip");
const spoken = (who, text, said) => el("div", { class: `say ${who}`, dir: "auto" }, el("b", { dir: "ltr" }, said), text);
function showHistory(turn) {
  const box = $("history"), now = el("div", { class: "now" }, el("p", { class: "what" }, "This turn"));
  box.replaceChildren();
  for (const [number, [before, user, reply]] of dialogues.get(turn.dialogue_id)) {
    if (number > turn.turn_id) break;
    const place = number === turn.turn_id ? now : box;
    if (number === 0 && before) box.append(spoken("system", before, "System"));
    if (user) place.append(spoken("user", user, "User"));
    if (reply) place.append(spoken("system", reply, "System"));
    else if (number === turn.turn_id) place.append(el("p", { class: "note" }, "There is no reply: the dialogue ends here."));
  }
  box.append(now);
  box.scrollTop = box.scrollHeight;
}

function showTurn() {
  const turn = data.turns[at];
  if (!turn) { $("heading").textContent = "This round has no turns."; return; }
  $("heading").textContent = `Turn ${at + 1} of ${data.turns.length}`;
  $("about").textContent = `dialogue ${turn.dialogue_id}, its turn ${turn.turn_id} · the prediction is ${percent(turn.confidence)} sure`
    + (turn.failures.length ? ` · not read by the labeller: ${turn.failures.join(", ")}` : "");
  showHistory(turn);
  showState();
  showActs();
  $("comment").value = work[at].comment;
  showProgress();
  strip.children[at].scrollIntoView({ block: "nearest", inline: "nearest" });
}

function showProgress() {
  const verdicts = data.turns.map((turn, i) => verdictOf(i)), decided = verdicts.filter(Boolean).length;
  $("progress").max = Math.max(1, data.turns.length);
  $("progress").value = decided;
  $("decided").textContent = `${decided} of ${data.turns.length} decided`;
  const isChanged = work[at] && isEdited(at);
  $("accept").textContent = isChanged ? "Accept the fix" : "Accept";
  $("reset").disabled = !isChanged;
  [...$("strip").children].forEach((button, i) => {
    const state = verdicts[i] || (isEdited(i) ? "edited" : "");
    button.dataset.verdict = state;
    button.setAttribute("aria-label", `Turn ${i + 1}, ${state === "edited" ? "edited, not decided" : state || "not decided"}`);
    if (i === at) button.setAttribute("aria-current", "true"); else button.removeAttribute("aria-current");
    button.tabIndex = i === at ? 0 : -1;
  });
  $("previous").disabled = at === 0;
  $("next").disabled = at >= data.turns.length - 1;
}

function go(to, keepsFocus) {
  if (to < 0 || to >= data.turns.length) return;
  clock();
  if (work[at].seconds) keepTurn(at);
  at = to;
  keep(`${PREFIX}at`, at);
  showTurn();
  if (keepsFocus) return;
  $("page").scrollTop = 0;
  $("heading").focus({ preventScroll: true });
}

function decide(verdict) {
  if (!data.turns.length) return;
  const fault = missing(at);
  if (fault) {
    say(`${fault} Fill it in, or choose another.`, true);
    const empty = [...document.querySelectorAll("#form input[type=text]:not([hidden])")].find((input) => !input.value.trim()
      && (!input.closest(".choices") || input.closest(".choices").querySelector(".choice:not(.special) input").checked));
    const target = empty || $("acts").querySelector("select");
    if (target) { target.classList.add("wrong"); target.focus(); }
    return;
  }
  clock();
  Object.assign(work[at], { verdict: verdict === "ok" && isEdited(at) ? "fixed" : verdict, time: new Date().toISOString() });
  edited();
  const left = data.turns.findIndex((turn, i) => !verdictOf(i)), said = { ok: "accepted", fixed: "fixed", unsure: "unsure" }[work[at].verdict];
  if (left < 0) { say(`Turn ${at + 1} ${said}. All ${plural(data.turns.length, "turn")} are decided: save the file.`); $("save").focus(); return; }
  say(`Turn ${at + 1} ${said}.`);
  go(at + 1 < data.turns.length ? at + 1 : left);
}

function save() {
  clock();
  if (!$("annotator").value.trim()) { say("Write your name first: it is kept with the corrections.", true); $("annotator").focus(); return; }
  const found = file();
  const open = data.turns.map((turn, i) => i + 1).filter((n) => !verdictOf(n - 1) && isEdited(n - 1));
  const link = el("a", { download: data.file });
  link.href = URL.createObjectURL(new Blob([JSON.stringify(found, null, 1) + "\n"], { type: "application/json" }));
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  unsaved = false;
  say(`${data.file} saved with ${found.corrections.length} of ${plural(data.turns.length, "turn")}.`
    + (open.length ? ` Edited, not decided and not in it: turn ${open.join(", ")}.` : ""), open.length > 0);
}

$("accept").addEventListener("click", () => decide("ok"));
$("unsure").addEventListener("click", () => decide("unsure"));
$("previous").addEventListener("click", () => go(at - 1));
$("next").addEventListener("click", () => go(at + 1));
$("save").addEventListener("click", save);
$("comment").addEventListener("input", () => { work[at].comment = $("comment").value; edited(); });
$("reset").addEventListener("click", () => {
  const { change, acts, open } = predicted(data.turns[at]);
  Object.assign(work[at], { change, acts, open });
  edited();
  showTurn();
  $("heading").focus();
  say("As predicted again.");
});
$("theme").addEventListener("click", () => {
  const root = document.documentElement;
  const isDark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = isDark ? "light" : "dark";
});

const KEYS = new Map([["a", () => decide("ok")], ["u", () => decide("unsure")], ["n", () => go(at + 1)], ["p", () => go(at - 1)], ["s", save]]);
document.addEventListener("keydown", (event) => {
  const withControl = (event.ctrlKey || event.metaKey) && !event.altKey;
  if (event.isComposing) return;
  if (withControl && event.key === "Enter") { event.preventDefault(); decide("ok"); return; }
  if (withControl && event.key.toLowerCase() === "s") { event.preventDefault(); save(); return; }
  const isText = event.target.closest && event.target.closest("select, textarea, input[type=text]");
  if (event.ctrlKey || event.metaKey || event.altKey || isText || !$("letters").checked) return;
  const act = KEYS.get(event.key.toLowerCase());
  if (act) { event.preventDefault(); act(); }
});

data.turns.forEach((turn, i) => {
  const button = el("button", { type: "button" }, i + 1);
  button.addEventListener("click", () => go(i));
  strip.append(button);
});
strip.addEventListener("keydown", (event) => {
  const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: data.turns.length - 1 }[event.key];
  if (to === undefined || !data.turns[to]) return;
  event.preventDefault();
  go(to, true);
  strip.children[to].focus();
});

$("annotator").value = kept("nc-latent-tod/annotator", "");
$("annotator").addEventListener("input", () => keep("nc-latent-tod/annotator", $("annotator").value));
$("letters").checked = kept("nc-latent-tod/letters", true);
$("letters").addEventListener("change", () => keep("nc-latent-tod/letters", $("letters").checked));
addEventListener("storage", (event) => {  // another tab of the same round
  const i = event.key && event.key.startsWith(PREFIX) ? Number(event.key.slice(PREFIX.length)) : NaN;
  if (!data.turns[i]) return;
  work[i] = kept(event.key, null) || predicted(data.turns[i]);
  if (i === at) showTurn(); else showProgress();
});
addEventListener("pagehide", () => { clock(); if (work[at] && work[at].seconds) keepTurn(at); });
addEventListener("beforeunload", (event) => { if (unsaved && !stores) event.preventDefault(); });
showTurn();
