// What was entered: kept in the browser under the hash of the round, one entry a turn, so that a reload loses nothing.
const PREFIX = `nc-latent-tod/${data.round.sha256}/`;
const IDLE_MS = 120000;  // of a longer pause without a key or pointer, this much counts
let stores = true;

function keep(name, value) {
  try {
    localStorage.setItem(name, JSON.stringify(value));
    stores = true;
  } catch {
    if (stores) say("This browser keeps nothing here: save the file before you close the page.", true);
    stores = false;
  }
}
function kept(name, otherwise) {
  try {
    const text = localStorage.getItem(name);
    return text === null ? otherwise : JSON.parse(text);
  } catch {
    return otherwise;
  }
}

const predicted = (turn) => ({ change: turn.change.map(([s, k, v]) => [s, k, v]), acts: turn.acts.map((act) => [...act]), open: [],
  comment: "", verdict: null, seconds: 0, time: "" });
const work = data.turns.map((turn, i) => kept(PREFIX + i, null) || predicted(turn));
let at = Math.min(Math.max(0, Number(kept(`${PREFIX}at`, 0)) || 0), Math.max(0, data.turns.length - 1));
let unsaved = false;

const siblings = new Map(data.turns.map((turn) => [turn.dialogue_id, []]));  // turns of the round by dialogue
data.turns.forEach((turn, i) => siblings.get(turn.dialogue_id).push(i));
/** The state before a turn: as predicted, or as it follows from what was decided on earlier turns of its dialogue. */
function priorOf(i) {
  const turn = data.turns[i];
  const before = siblings.get(turn.dialogue_id).filter((k) => data.turns[k].turn_id < turn.turn_id && work[k].verdict
    && work[k].verdict !== "unsure" && !missing(k));
  if (!before.length) return turn.prior;
  const decided = new Map(before.map((k) => [data.turns[k].turn_id, k])), from = Math.min(...decided.keys());
  const state = new Map(data.turns[decided.get(from)].prior.map((row) => [JSON.stringify(row.slice(0, 2)), row]));
  for (const [number, [, , , predicted]] of dialogues.get(turn.dialogue_id)) {
    if (number < from || number >= turn.turn_id) continue;
    for (const [s, k, v] of decided.has(number) ? work[decided.get(number)].change : predicted) {
      if (v === null) state.delete(JSON.stringify([s, k]));
      else state.set(JSON.stringify([s, k]), [s, k, v.trim()]);
    }
  }
  return [...state.values()];
}

const sorted = (rows) => [...new Set(rows.map((row) => JSON.stringify(row)))].sort().join();
/** A change without what the state says already, trimmed. */
const effective = (change, prior) => change.map(([s, k, v]) => [s, k, v === null ? null : v.trim()]).filter(([s, k, v]) => {
  const before = find(prior, s, k);
  return v === null ? before : !before || before[2] !== v;
});
const changeOf = (i) => effective(work[i].change, priorOf(i));
const actsOf = (i) => work[i].acts.map((act) => act.map((part) => part.trim()));
const isEdited = (i) => sorted(changeOf(i)) !== sorted(effective(data.turns[i].change, priorOf(i)))
  || sorted(actsOf(i)) !== sorted(data.turns[i].acts);
/** What is missing in a turn, in words; null where nothing is. */
function missing(i) {
  const empty = work[i].change.find(([, , v]) => v !== null && !v.trim());
  if (empty) return `${empty[0]} ${empty[1]} has no value yet.`;
  const number = work[i].acts.findIndex(([act, service, slot, value]) => !act || (kinds.get(act) && !service)
    || (kinds.get(act) === "entity" && slot && !value.trim()));
  return number < 0 ? null : `Act ${number + 1} is not complete.`;
}
const verdictOf = (i) => {
  const found = work[i].verdict;
  return found && missing(i) ? null : found === "ok" || found === "fixed" ? (isEdited(i) ? "fixed" : "ok") : found;
};

let last = performance.now(), watched = !document.hidden;
/** Count the time since the last sign of a person to the turn that is shown. */
function clock() {
  const now = performance.now();
  if (watched && work[at]) work[at].seconds += Math.min(now - last, IDLE_MS) / 1000;
  last = now;
  watched = !document.hidden;
}
for (const sign of ["keydown", "pointerdown", "visibilitychange"]) document.addEventListener(sign, clock, true);

function keepTurn(i) {
  keep(PREFIX + i, work[i]);
}
function edited() {
  unsaved = true;
  keepTurn(at);
  showProgress();
}

/** The corrections file. Names of services and slots are keys of objects without a prototype. */
function file() {
  const rows = data.turns.flatMap((turn, i) => {
    const verdict = verdictOf(i);
    if (!verdict) return [];
    const change = Object.create(null);
    for (const [service, slot, value] of changeOf(i)) (change[service] = change[service] || Object.create(null))[slot] = value;
    const acts = [...new Set(actsOf(i).map((act) => JSON.stringify(act)))].map((text) => JSON.parse(text));
    return [{ dialogue_id: turn.dialogue_id, turn_id: turn.turn_id, text_sha256: turn.text_sha256, verdict, change,
      acts: acts.map(([act, service, slot, value]) => ({ act, service, slot, value })), annotator: $("annotator").value.trim(),
      time: work[i].time, seconds: Math.round(work[i].seconds * 10) / 10, comment: work[i].comment.trim() }];
  });
  return { format: data.format, round: data.round, corrections: rows };
}
