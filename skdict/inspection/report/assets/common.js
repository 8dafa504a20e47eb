// Shared by all pages: data, elements, number formats, the theme switch and keyboard shortcuts.

const data = JSON.parse(document.getElementById("data").textContent);
const SVG = "http://www.w3.org/2000/svg";
const byId = (id) => document.getElementById(id);

// Text is only ever added as text nodes, so nothing in the data can become markup.
function el(tag, props = {}, ...children) {
  const inSvg = ["svg", "g", "rect", "line", "text", "title", "path"].includes(tag);
  const node = inSvg ? document.createElementNS(SVG, tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (name.startsWith("--")) node.style.setProperty(name, value);
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return node;
}

function fill(node, ...children) {
  node.replaceChildren(...children.flat().filter((child) => child !== null));
  return node;
}

function show(value, digits = 3) {
  if (value === null || value === undefined) return "–";
  if (Number.isInteger(value)) return value.toLocaleString("en");
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-3 || size >= 1e5)) return value.toExponential(1).replace("e-", "e−");
  return value.toPrecision(digits).replace(/(\.\d*?)0+$/, "$1").replace(/\.$/, "").replace("-", "−");
}

function percent(share) {
  const value = share * 100;
  if (value === 0) return "0";
  if (value < 0.001) return `${value.toExponential(0).replace("e-", "e−")} %`;
  return `${value >= 10 ? value.toFixed(0) : value.toPrecision(2)} %`;
}

// Settings are kept in local storage where the browser allows it.
const kept = {
  get(name) {
    try { return localStorage.getItem(name); } catch { return null; }
  },
  set(name, value) {
    try { localStorage.setItem(name, value); } catch { /* Settings are lost, but the page works. */ }
  },
};

function themeSwitch() {
  const themes = { auto: "◐ Auto", light: "○ Light", dark: "● Dark" };
  const names = Object.keys(themes);
  let theme = names.includes(kept.get("skdict-theme")) ? kept.get("skdict-theme") : "auto";
  const button = el("button", { type: "button", id: "theme", onclick: () => {
    theme = names[(names.indexOf(theme) + 1) % names.length];
    kept.set("skdict-theme", theme);
    apply();
  } });
  function apply() {
    document.documentElement.dataset.theme = theme;
    button.textContent = themes[theme];
    button.setAttribute("aria-label", `Colour theme: ${theme}`);
  }
  apply();
  return button;
}

function helpButton(keys) {
  const rows = keys.map(([key, what]) => el("tr", {}, el("td", {}, el("kbd", {}, key)), el("td", {}, what)));
  const close = el("button", { type: "button", onclick: () => byId("help").close() }, "Close");
  fill(byId("help"), el("h2", {}, "Keyboard shortcuts"), el("table", {}, el("tbody", {}, rows)), close);
  return el("button", { type: "button", id: "keys", "aria-label": "Keyboard shortcuts", onclick: openHelp }, "?");
}

function openHelp() {
  byId("help").showModal();
}

// Shortcuts are disabled in text fields (except those in `typing`) and while a dialog is open.
function onKeys(actions, typing = {}) {
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || byId("help").open) return;
    const writes = event.target.matches("input[type=search], input[type=text], textarea");
    const action = (writes ? typing : actions)[event.key];
    if (action && action(event) !== false) event.preventDefault();
  });
}

// A window of text, in which tokens are shaded by their code.
function textRuns(tokens, strengths, from = 0, to = tokens.length, label = null) {
  const line = el("p", { class: "window", dir: "auto" }, from > 0 ? el("span", { class: "cut" }, "… ") : null);
  let run = "";
  const peak = Math.max(0, ...strengths.values());
  for (let i = from; i < to; i++) {
    const strength = strengths.get(i);
    if (strength === undefined) { run += tokens[i]; continue; }
    if (run) line.append(run);
    run = "";
    const props = { "--s": strength, class: strength === peak ? "peak" : null };
    line.append(el("mark", { ...props, title: label && label(strength) }, tokens[i]));
  }
  line.append(run);
  if (to < tokens.length) line.append(el("span", { class: "cut" }, " …"));
  return line;
}
