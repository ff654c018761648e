"use strict";
// What the page was made of, and small parts. All text enters the page through textContent or value: it is never read as markup.
const $ = (id) => document.getElementById(id);
const data = JSON.parse($("data").textContent);
const services = new Map(data.services.map((service) => [service.name, service]));
const kinds = new Map(data.acts);
const dialogues = new Map(data.dialogues);

function el(tag, attributes, ...parts) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "value") node.value = value;
    else node.setAttribute(name, value === true ? "" : value);
  }
  for (const part of parts) if (part !== null && part !== undefined) node.append(part instanceof Node ? part : String(part));
  return node;
}
const option = (value, text) => el("option", { value }, text);
const plural = (count, noun) => `${count} ${noun}${count === 1 ? "" : "s"}`;
const percent = (share) => (share > 0.995 && share < 1 ? ">99%" : `${Math.round(share * 100)}%`);
const say = (text, isBad) => {
  $("status").textContent = text;
  $("status").className = isBad ? "bad" : "";
};
const find = (rows, service, slot) => rows.find((row) => row[0] === service && row[1] === slot);

let made = 0;
const fresh = (name) => `${name}-${made++}`;  // an id that nothing else has

/** A list of suggestions for a text field, and its id. */
function suggestions(values) {
  const list = el("datalist", { id: fresh("values") });
  for (const value of values) list.append(el("option", { value }));
  return list;
}
