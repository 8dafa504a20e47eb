// A blinded rating sheet: items reveal neither feature nor method, and ratings are saved to a file.

const RATINGS = ["no pattern", "vague", "clear with exceptions", "clear"];
const CONFIDENCE = ["low", "medium", "high"];
const LONGEST_PAUSE = 300;
const storage = `skdict-rating-${data.sheet}-${data.rater}`;
const answers = JSON.parse(kept.get(storage) ?? "{}");
let open = 0, since = performance.now(), unsaved = false;

const answerOf = (i) => (answers[data.items[i].item] ??= { rating: "", label: "", confidence: "", seconds: 0 });
const isRated = (i) => answerOf(i).rating !== "";
const nRated = () => data.items.filter((_, i) => isRated(i)).length;

function change(name, value) {
  answerOf(open)[name] = value;
  unsaved = true;
  keepTime();
  draw();
}

// Time counts while an item is open and the page is visible; long pauses are capped.
function keepTime() {
  const passed = (performance.now() - since) / 1000;
  if (!document.hidden) answerOf(open).seconds += Math.min(passed, LONGEST_PAUSE);
  since = performance.now();
  kept.set(storage, JSON.stringify(answers));
}

function go(i) {
  keepTime();
  open = Math.min(data.items.length - 1, Math.max(0, i));
  drawItem();
  draw();
  byId("detail").scrollTop = 0;
}

function choice(name, values, first) {
  const chosen = answerOf(open)[name];
  const options = values.map((text, i) => {
    const value = String(i + first);
    const input = el("input", { type: "radio", name, value, checked: chosen === value, onchange: () => change(name, value) });
    return el("label", {}, input, el("b", {}, value), text);
  });
  return el("fieldset", { class: "choice", id: name }, el("legend", {}, name[0].toUpperCase() + name.slice(1)), options);
}

// Marked tokens are enclosed in << and >>.
function markedLine(text) {
  const line = el("p", { class: "window", dir: "auto" });
  text.split(/(<<.*?>>)/).forEach((part) => {
    const marked = /^<<(.*)>>$/.exec(part);
    line.append(marked ? el("mark", { "--s": 0.6 }, marked[1]) : part);
  });
  return el("li", {}, line);
}

function drawItem() {
  const label = el("input", { type: "text", id: "label", maxlength: 300, value: answerOf(open).label, oninput: () => change("label", label.value) });
  fill(byId("detail"),
    el("div", { class: "bar" }, el("h2", { tabindex: "-1" }, `Item ${open + 1} of ${data.items.length}`),
      el("div", { class: "moves" }, el("button", { type: "button", "aria-label": "Previous item", onclick: () => go(open - 1) }, "‹"), el("button", { type: "button", id: "next", "aria-label": "Next item", onclick: () => go(open + 1) }, "›"))),
    el("p", { class: "task" }, "Do the highlighted tokens share a single pattern?"),
    el("ol", { class: "texts" }, data.items[open].windows.map(markedLine)),
    el("div", { class: "form" }, choice("rating", RATINGS, 0),
      el("label", { class: "field" }, el("span", {}, "Description of the pattern, if there is one"), label),
      choice("confidence", CONFIDENCE, 1)));
}

function draw() {
  data.items.forEach((_, i) => {
    const line = byId(`item-${i}`);
    line.classList.toggle("rated", isRated(i));
    line.toggleAttribute("aria-current", false);
    if (i === open) line.setAttribute("aria-current", "true");
    line.querySelector(".number").textContent = answerOf(i).rating;
  });
  byId(`item-${open}`).scrollIntoView({ block: "nearest" });
  byId("progress").textContent = `${nRated()} of ${data.items.length} rated`;
}

function rate(value) {
  change("rating", value);
  const input = document.querySelector(`#rating input[value="${value}"]`);
  input.checked = true;
  input.focus();
}

// Spreadsheets read cells that start with these as formulas; a leading apostrophe prevents it.
const FORMULA = /^[' ]*[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20]/;

function field(value) {
  const cell = FORMULA.test(value) ? `'${value}` : value;
  return /[",\n\r]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell;
}

function csv() {
  const names = ["sheet", "rater", "item", "rating", "label", "confidence", "seconds"];
  const lines = data.items.map(({ item }, i) => {
    const { rating, label, confidence, seconds } = answerOf(i);
    return [data.sheet, data.rater, item, rating, label, confidence, isRated(i) ? seconds.toFixed(1) : ""];
  });
  return [names, ...lines].map((line) => line.map(field).join(",")).join("\r\n") + "\r\n";
}

function save() {
  keepTime();
  const address = URL.createObjectURL(new Blob([csv()], { type: "text/csv" }));
  el("a", { href: address, download: `ratings-${data.rater.replace(/[^\p{L}\p{N}-]+/gu, "_")}.csv` }).click();
  setTimeout(() => URL.revokeObjectURL(address), 10000);
  unsaved = false;
}

byId("tools").append(el("button", { type: "button", id: "save", onclick: save, "aria-label": "Save ratings to a file" }, "Save"), helpButton([
  ["0 to 3", "rate the item"], ["j  k", "next or previous item"], ["/", "describe the pattern"], ["Escape", "leave the text field"], ["?", "show the keyboard shortcuts"],
]), themeSwitch());
fill(byId("list"), el("div", { class: "bar" }, el("p", { class: "count", id: "progress", role: "status" })),
  el("ol", { id: "items" }, data.items.map((_, i) => el("li", { id: `item-${i}` }, el("button", { type: "button", onclick: () => go(i) }, `Item ${i + 1}`, el("span", { class: "number" }))))));
const digits = Object.fromEntries(RATINGS.map((_, i) => [String(i), () => rate(String(i))]));
onKeys({
  ...digits, j: () => go(open + 1), k: () => go(open - 1), "?": openHelp, "/": () => byId("label").focus(),
}, { Escape: () => document.activeElement.blur(), Enter: () => document.activeElement.blur() });
document.addEventListener("visibilitychange", () => {
  // Do not count time while the page is hidden.
  if (!document.hidden) since = performance.now();
  else { answerOf(open).seconds += Math.min((performance.now() - since) / 1000, LONGEST_PAUSE); kept.set(storage, JSON.stringify(answers)); }
});
addEventListener("beforeunload", (event) => unsaved && event.preventDefault());
document.body.classList.add("rating");
drawItem();
draw();
