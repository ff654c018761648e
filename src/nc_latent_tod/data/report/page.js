"use strict";
// All text of dialogues enters the page through textContent: it is never read as markup.
(() => {
  const root = document.documentElement, $ = (id) => document.getElementById(id);
  $("theme").addEventListener("click", () => {
    const isDark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset.theme = isDark ? "light" : "dark";
  });
  const dialogues = JSON.parse($("data").textContent), PAGE = 25;
  const hasGold = dialogues.some((d) => d.wrong !== null);
  const el = (tag, cls, ...parts) => {
    const node = document.createElement(tag);
    if (cls) node.className = cls;
    for (const part of parts) if (part !== null && part !== undefined) node.append(part instanceof Node ? part : String(part));
    return node;
  };
  const percent = (share) => (share === null ? "" : share > 0.995 && share < 1 ? ">99%" : Math.round(share * 100) + "%");
  const entry = (service, slot, value) => `${service}.${slot} ${value === null ? "deleted" : "= " + value}`;
  const act = ([name, service, slot, value]) => name + (service ? " " + service : "") + (slot ? "." + slot : "") + (value ? " = " + value : "");
  const plural = (count, noun) => `${count} ${noun}${count === 1 ? "" : "s"}`;
  const chips = (items) => items.length ? items.map(([text, share]) => {
    const chip = el("span", share !== null && share < 0.5 ? "chip bad" : "chip", text);
    if (share !== null) chip.append(" ", el("small", "", percent(share)));
    return chip;
  }) : [el("span", "chip", "none")];
  const line = (name, ...parts) => el("div", "label", el("span", "k", name), ...parts);
  const verdict = (right) => (right === null ? null : el("span", right ? "ok" : "no", right ? "✓ as annotated. " : "✗ not as annotated. "));

  function candidates(name, task) {
    const box = el("details", "task", el("summary", "", `${name}: ${plural(task.candidates.length + task.more, "candidate")}`));
    box.addEventListener("toggle", () => {
      if (!box.open || box.childElementCount > 1) return;
      const head = el("tr", "", ...["share", "score", "samples", "reading"].map((h, i) => el("th", i < 3 ? "n" : "", h)));
      const table = el("table", "", el("thead", "", head));
      const body = el("tbody");
      for (const [text, score, share, count, source, error, chosen] of task.candidates) {
        const row = el("tr", chosen ? "chosen" : error ? "rejected" : "", el("td", "n", percent(share)),
          el("td", "n", score === null ? "" : score.toFixed(2)), el("td", "n", count || source),
          el("td", "", el("code", "", text), error ? el("span", "no", "  not a label: " + error) : null));
        body.append(row);
      }
      table.append(body);
      box.append(el("div", "scroll", table));
      if (task.more) box.append(el("p", "note", `${task.more} more are stored.`));
    });
    return box;
  }

  function task(name, found) {
    if (!found) return [];
    return [el("p", "why", verdict(found.right), found.failure ? el("span", "no", "failed. ") : null, found.why,
      found.examples ? ` ${plural(found.examples, "example")} in the prompt.` : ""), candidates(name, found)];
  }

  function turn(data, number) {
    const state = Object.entries(data.state).flatMap(([s, slots]) => Object.entries(slots).map(([k, v]) => [entry(s, k, v), null]));
    const box = el("div", "turn", el("div", "note", "turn " + number));
    if (data.said) box.append(el("div", "say system", data.said));
    box.append(el("div", "say user", data.user),
      line("change", ...chips(data.change.map(([s, k, v, p]) => [entry(s, k, v), p]))));
    if (data.corrected)
      box.append(line(`corrected${data.corrected.by ? " by " + data.corrected.by : ""} in round ${data.corrected.round}; predicted`,
        ...chips(data.corrected.change.map(([s, k, v]) => [entry(s, k, v), null]))));
    if (data.gold && data.tasks.dst && data.tasks.dst.right !== true)
      box.append(line("annotated", ...chips(data.gold.change.map(([s, k, v]) => [entry(s, k, v), null]))));
    box.append(line("state", ...chips(state)), ...task("change", data.tasks.dst));
    if (data.system) box.append(el("div", "say system", data.system));
    box.append(line("acts", ...chips(data.acts.map((a) => [act(a), a[4]]))));
    if (data.corrected) box.append(line("predicted", ...chips(data.corrected.acts.map((a) => [act(a), null]))));
    if (data.gold && data.gold.acts && data.tasks.act_tag && data.tasks.act_tag.right !== true)
      box.append(line("annotated", ...chips(data.gold.acts.map((a) => [act(a), null]))));
    box.append(...task("acts", data.tasks.act_tag));
    return box;
  }

  function dialogue(data) {
    const meta = `${plural(data.turns.length, "turn")} · least sure ${percent(data.sure) || "0%"} · ${data.services.join(", ")}`;
    const box = el("details", "dialogue", el("summary", "", el("span", "id", data.id), el("span", "meta", meta),
      data.wrong ? el("span", "chip bad", data.wrong + " not as annotated") : null,
      data.failed ? el("span", "chip bad", data.failed + " failed") : null));
    box.addEventListener("toggle", () => {
      if (box.open && box.childElementCount === 1) data.turns.forEach((t, i) => box.append(turn(t, i)));
    });
    return box;
  }

  const haystacks = new Map();
  const haystack = (d) => {
    if (!haystacks.has(d)) haystacks.set(d, JSON.stringify([d.id, d.run, d.turns]).toLowerCase());
    return haystacks.get(d);
  };
  let found = dialogues, shown = 0;
  function more() {
    const next = found.slice(shown, shown + PAGE);
    $("list").append(...next.map(dialogue));
    shown += next.length;
    $("more").hidden = shown >= found.length;
  }
  function filter() {
    const words = $("q").value.toLowerCase().split(/\s+/).filter(Boolean).map((w) => JSON.stringify(w).slice(1, -1));
    const service = $("service").value, slot = $("slot").value, only = $("only").value, most = Number($("sure").value);
    $("atmost").textContent = most.toFixed(2);
    found = dialogues.filter((d) => (!service || d.services.includes(service)) && (!slot || d.slots.includes(slot))
      && (d.sure === null || d.sure <= most) && (only !== "failed" || d.failed > 0) && (only !== "wrong" || d.wrong > 0)
      && (only !== "right" || d.wrong === 0) && words.every((w) => haystack(d).includes(w)));
    shown = 0;
    $("list").replaceChildren();
    $("count").textContent = `${found.length} of ${plural(dialogues.length, "dialogue")}`;
    more();
  }
  const options = (select, values) => [...new Set(values)].sort().forEach((v) => {
    const option = el("option", "", v);
    option.value = v;
    select.append(option);
  });
  options($("service"), dialogues.flatMap((d) => d.services));
  options($("slot"), dialogues.flatMap((d) => d.slots));
  if (!hasGold) $("only").querySelectorAll("[value=wrong],[value=right]").forEach((o) => o.remove());
  let waiting = 0;
  $("q").addEventListener("input", () => { clearTimeout(waiting); waiting = setTimeout(filter, 120); });
  for (const id of ["service", "slot", "only", "sure"]) $(id).addEventListener("input", filter);
  $("more").addEventListener("click", more);
  filter();
  const wanted = decodeURIComponent(location.hash.slice(1));  // page.html#DIALOGUE opens it
  if (wanted) {
    $("q").value = wanted;
    filter();
    const first = $("list").querySelector("details");
    if (first) { first.open = true; first.scrollIntoView(); }
  }
})();
