// The change of the state as controls: a group a service, a group a slot.
/** Set what a slot changes to: a text, null for a deletion, undefined for no change. */
function set(service, slot, value) {
  const row = find(work[at].change, service, slot);
  if (value === undefined) work[at].change = work[at].change.filter((other) => other !== row);
  else if (row) row[2] = value;
  else work[at].change.push([service, slot, value]);
  edited();
}

function choice(group, text, special, isChecked, onChosen) {
  const input = el("input", { type: "radio", name: group });
  input.checked = isChecked;
  input.addEventListener("change", onChosen);
  return el("label", { class: special ? "choice special" : "choice" }, input, el("span", { dir: "auto" }, text));
}

function slotControl(service, slot) {
  const turn = data.turns[at], group = fresh("slot"), row = find(work[at].change, service.name, slot.name);
  const before = find(priorOf(at), service.name, slot.name), told = find(turn.change, service.name, slot.name);
  const shown = row ? row[2] : undefined;
  const box = el("fieldset", { class: "slot", title: slot.description || null });
  const paint = () => box.classList.toggle("touched", Boolean(find(work[at].change, service.name, slot.name)));
  const pick = (value) => () => { set(service.name, slot.name, value); paint(); };
  const legend = el("legend", {}, el("span", { class: "slot-name" }, slot.name),
    before ? el("span", { class: "was", dir: "auto" }, ` before: ${before[2]}`) : null);
  if (told && told[3] !== null) legend.append(el("span", { class: told[3] < 0.5 ? "chip bad" : "chip" }, `predicted, ${percent(told[3])} sure`));
  else if (told) legend.append(el("span", { class: "chip" }, "predicted"));
  const choices = el("div", { class: "choices" });
  choices.append(choice(group, before ? "as before" : "no change", true, shown === undefined, pick(undefined)));
  if (slot.closed) {
    const strange = [told && told[2], shown].filter((v) => v && v !== data.dontcare && !slot.values.includes(v));
    for (const value of [...slot.values, ...new Set(strange)])
      choices.append(choice(group, slot.values.includes(value) ? value : `${value} (not in the schema)`, false, shown === value, pick(value)));
  } else choices.append(...openControl(service, slot, group, shown, paint));
  choices.append(choice(group, "don't care", true, shown === data.dontcare, pick(data.dontcare)));
  if (before || (told && told[2] === null)) choices.append(choice(group, "delete", true, shown === null, pick(null)));
  box.append(legend, choices);
  paint();
  return box;
}

/** A text with suggestions, and the choice that it stands for. */
function openControl(service, slot, group, shown, paint) {
  const isValue = typeof shown === "string" && shown !== data.dontcare;
  const list = suggestions(slot.values);
  const text = el("input", { type: "text", dir: "auto", list: list.id, autocomplete: "off", "aria-label": `Value of ${slot.name}`,
    value: isValue ? shown : "" });
  const radio = choice(group, "value", false, isValue, () => {
    set(service.name, slot.name, text.value);
    paint();
    text.focus();
  });
  text.addEventListener("input", () => {
    radio.querySelector("input").checked = true;
    text.classList.remove("wrong");
    set(service.name, slot.name, text.value);
    paint();
  });
  return [radio, text, list];
}

function serviceControl(service) {
  const box = el("fieldset", { class: "service" });
  const draw = () => {
    const turn = data.turns[at];
    const prior = priorOf(at);
    const isShown = (slot) => [prior, turn.change, work[at].change, work[at].open].some((rows) => find(rows, service.name, slot.name));
    const rest = service.slots.filter((slot) => !isShown(slot));
    box.replaceChildren(el("legend", { title: service.description || null }, service.name),
      ...service.slots.filter(isShown).map((slot) => slotControl(service, slot)));
    if (!rest.length) return;
    const menu = el("select", { "aria-label": `Another slot of ${service.name}` }, option("", "another slot …"),
      ...rest.map((slot, i) => option(String(i), slot.description ? `${slot.name}: ${slot.description}` : slot.name)));
    const add = el("button", { type: "button", "aria-label": `Add the slot of ${service.name}` }, "Add");
    add.addEventListener("click", () => {
      const slot = rest[Number(menu.value)];
      if (menu.value === "" || !slot) { say("Choose a slot first."); menu.focus(); return; }
      work[at].open.push([service.name, slot.name]);
      edited();
      draw();
      const row = [...box.querySelectorAll("fieldset.slot")][service.slots.filter(isShown).indexOf(slot)];
      (row.querySelector("input[type=text]") || row.querySelector("input")).focus();
      say(`${service.name} ${slot.name} added.`);
    });
    box.append(el("div", { class: "add" }, menu, add));
  };
  draw();
  return box;
}

/** Services in play first, the others folded. */
function showState() {
  const turn = data.turns[at], touched = [...work[at].change, ...work[at].open, ...priorOf(at)].map(([service]) => service);
  const near = [...new Set([...turn.services, ...touched])].map((name) => services.get(name)).filter(Boolean);
  const far = data.services.filter((service) => !near.includes(service));
  $("state").replaceChildren(...near.map(serviceControl));
  if (!far.length) return;
  const others = el("details", { class: "others" }, el("summary", {}, near.length ? `Other services (${far.length})` : `Services (${far.length})`));
  others.open = !near.length;
  others.append(...far.map(serviceControl));
  $("state").append(others);
}
