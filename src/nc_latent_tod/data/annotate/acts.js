// The acts of the reply as controls: a line an act. A line is built once, and its parts follow what stands before them.
function actControl(act) {
  const number = work[at].acts.indexOf(act) + 1;
  const row = el("div", { class: "act", role: "group", "aria-label": `Act ${number}` });
  const list = suggestions([]);
  const menus = ["Act", "Service", "Slot"].map((name) => el("select", { "aria-label": `${name} of act ${number}` }));
  const text = el("input", { type: "text", dir: "auto", autocomplete: "off", list: list.id, placeholder: "value", "aria-label": `Value of act ${number}` });
  const remove = el("button", { type: "button", class: "quiet remove", "aria-label": `Remove act ${number}` }, "✕");
  const fill = (menu, none, values, chosen) => {
    const all = chosen && !values.includes(chosen) ? [...values, chosen] : values;
    menu.replaceChildren(option("", none), ...all.map((value) => option(value, value)));
    menu.value = chosen;
  };
  const follow = () => {
    const kind = kinds.get(act[0]) || "", service = services.get(act[1]);
    const slot = service && service.slots.find((other) => other.name === act[2]);
    if (!kind) act[1] = "";
    if (!act[1]) act[2] = "";
    if (kind !== "entity" || !act[2]) act[3] = "";
    fill(menus[1], "service …", data.services.map((other) => other.name), act[1]);
    fill(menus[2], "no slot", service ? service.slots.map((other) => other.name) : [], act[2]);
    menus[1].hidden = !kind;
    menus[2].hidden = !act[1];
    text.hidden = kind !== "entity" || !act[2];
    text.value = act[3];
    list.replaceChildren(...(slot ? slot.values : []).map((value) => el("option", { value })));
  };
  fill(menus[0], "act …", data.acts.map(([name]) => name), act[0]);
  follow();
  menus.forEach((menu, part) => menu.addEventListener("change", () => {
    act[part] = menu.value;
    if (part === 1) act[2] = "";
    if (part > 0) act[3] = "";
    follow();
    edited();
  }));
  text.addEventListener("input", () => { act[3] = text.value; text.classList.remove("wrong"); edited(); });
  remove.addEventListener("click", () => {
    work[at].acts = work[at].acts.filter((other) => other !== act);
    edited();
    showActs();
    const left = $("acts").querySelectorAll(".remove");
    (left[Math.min(number - 1, left.length - 1)] || $("add-act")).focus();
    say(`Act ${number} removed.`);
  });
  row.append(...menus, text, list, remove);
  return row;
}

function showActs() {
  $("acts").replaceChildren(...work[at].acts.map(actControl));
}

$("add-act").addEventListener("click", () => {
  const near = data.turns[at].services[0] || "";
  work[at].acts.push(["", near, "", ""]);
  edited();
  showActs();
  $("acts").lastElementChild.querySelector("select").focus();
});
