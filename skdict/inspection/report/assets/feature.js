// The sheet of one feature, built when it is opened.

const BEFORE = 16, AFTER = 12, LONG = 220;
const table = data.table;
const rowOf = new Map(table.feature.map((feature, row) => [feature, row]));
let wholeWindows = false;

function nameOf(feature) {
  const n = data.n_components;
  return feature < n ? String(feature) : `${feature - n} (−)`;
}

function featureSheet(row) {
  const detail = data.details[row];
  const best = el("div", { class: "windows" }), others = el("div", { class: "windows" });
  const drawWindows = () => {
    fill(best, strongest(row, detail));
    fill(others, byStrength(row, detail), silent(detail));
  };
  const toggle = el("label", { class: "toggle" },
    el("input", { type: "checkbox", id: "whole", checked: wholeWindows, onchange: (event) => {
      wholeWindows = event.target.checked;
      drawWindows();
    } }), "Show whole windows");
  drawWindows();
  const cards = el("div", { class: "cards" }, tokensCard(detail), codesCard(detail), outputCard(detail), nearestCard(detail));
  const fired = table.count[row] ? [toggle, best, cards, others] : [el("p", { class: "empty" }, "This feature does not fire on any of these tokens."), cards];
  return [explanation(row, detail.rules || ""), facts(row), ...fired];
}

function explanation(row, rules) {
  const text = table.text[row];
  if (!text) return null;
  const quote = el("blockquote", { dir: "auto", class: "short" }, el("p", {}, text), rules ? el("p", { class: "words" }, rules) : null);
  if (text.length > LONG || rules.length > LONG) {
    quote.append(el("button", { type: "button", onclick: () => quote.classList.remove("short") }, "Show all"));
  }
  return quote;
}

function facts(row) {
  const known = [
    ["density", percent(table.density[row])],
    ["active tokens", show(table.count[row])],
    ["largest code", show(table.max[row])],
    ["mean active code", show(table.mean[row])],
    ["token entropy", show(table.entropy[row], 2)],
  ];
  if (table.score[row] !== null) known.unshift(["score", show(table.score[row], 2)]);
  else if (table.status[row]) known.unshift(["score", table.status[row]]);
  return el("dl", { class: "facts" }, known.map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, value))));
}

function card(title, hint, ...content) {
  return el("section", { class: "card" }, el("h3", {}, title, hint ? el("small", {}, hint) : null), ...content);
}

function barRow(name, share, value, flipped = false) {
  return el("tr", { "--w": Math.min(1, Math.abs(share)), class: flipped ? "less" : null },
    el("th", { scope: "row", dir: "auto" }, tokenChip(name)), el("td", {}, value));
}

// In lists, a leading space is shown as a dot.
function tokenChip(token) {
  const spaced = token.startsWith(" ");
  return el("span", { class: "token" }, spaced ? el("span", { class: "space" }, "·") : null, spaced ? token.slice(1) : token);
}

function tokensCard(detail) {
  if (!detail.tok.length) return null;
  const rows = detail.tok.map(([token, share, probability]) => {
    const line = barRow(data.tokens[token], share / 1000, `${Math.round(share / 10)} %`);
    line.append(el("td", {}, `${Math.round(probability / 10)} %`));
    return line;
  });
  const head = el("tr", {}, el("th", { scope: "col" }, "token"), el("th", { scope: "col" }, "share of code"), el("th", { scope: "col" }, "firing rate"));
  return card("Top tokens", null, el("table", { class: "bars" }, el("thead", {}, head), el("tbody", {}, rows)));
}

function codesCard(detail) {
  if (!detail.tok.length) return null;
  return card("Code histogram", null, codesChart(detail.hist, data.edges));
}

function outputCard(detail) {
  if (!detail.up.length && !detail.down.length) return null;
  const largest = Math.max(...[...detail.up, ...detail.down].map(([, effect]) => Math.abs(effect)));
  const column = (title, side) => el("table", { class: "bars" },
    el("thead", {}, el("tr", {}, el("th", { scope: "col", colspan: 2 }, title))),
    el("tbody", {}, side.map(([token, effect]) => barRow(token, effect / largest, show(effect, 2), effect < 0))));
  return card("Output effects", "nats of log-probability", el("div", { class: "pair" }, column("more likely", detail.up), column("less likely", detail.down)));
}

function nearestCard(detail) {
  const items = detail.near.map(([feature, cosine]) => {
    const row = rowOf.get(feature);
    const words = row === undefined ? "" : topTokens(row).slice(0, 3).join(" ");
    const name = row === undefined ? el("span", {}, nameOf(feature)) : el("a", { href: `#f${feature}` }, nameOf(feature));
    return el("li", {}, name, el("span", { class: "words", dir: "auto" }, words), el("span", { class: "number" }, show(cosine, 2)));
  });
  return card("Nearest features", "cosine similarity", el("ol", { class: "nearest" }, items));
}

function topTokens(row) {
  return data.details[row].tok.map(([token]) => data.tokens[token]);
}

function windowLine(row, [place, pairs]) {
  const [document, position, ids] = data.windows[place];
  const strengths = new Map();
  for (let i = 0; i < pairs.length; i += 2) strengths.set(pairs[i], pairs[i + 1] / 1000);
  const largest = Math.max(...strengths.values());
  const peak = [...strengths].find(([, strength]) => strength === largest)[0];
  const from = wholeWindows ? 0 : Math.max(0, peak - BEFORE);
  const to = wholeWindows ? ids.length : Math.min(ids.length, peak + 1 + AFTER);
  const code = (strength) => `code ${show(strength * table.max[row])}`;
  const line = textRuns(ids.map((i) => data.tokens[i]), strengths, from, to, code);
  return el("li", {}, el("span", { class: "number", title: `document ${document}, from token ${position}` }, show(largest * table.max[row])), line);
}

function strongest(row, detail) {
  return el("section", {}, el("h3", {}, "Strongest windows"), el("ol", { class: "texts" }, detail.top.map((found) => windowLine(row, found))));
}

// Random windows show typical behaviour, which the strongest windows alone would hide.
function byStrength(row, detail) {
  const peak = ([, pairs]) => Math.max(...pairs.filter((_, i) => i % 2));
  const drawn = [...detail.random].sort((a, b) => peak(b) - peak(a));
  const bands = [[750, "above 75 % of the largest code"], [500, "50 to 75 %"], [250, "25 to 50 %"], [0, "below 25 %"]];
  let above = Infinity;
  const groups = bands.map(([low, name]) => {
    const found = drawn.filter((w) => peak(w) > low && peak(w) <= above);
    above = low;
    return found.length ? [el("h4", {}, name), el("ol", { class: "texts" }, found.map((w) => windowLine(row, w)))] : [];
  });
  if (!drawn.length) return null;
  return el("section", {}, el("h3", {}, "Random windows", el("small", {}, "drawn from all windows in which the feature fires")), groups.flat());
}

function silent(detail) {
  if (!detail.silent.length) return null;
  const list = el("ol", { class: "texts" });
  const more = el("details", { id: "silent", ontoggle: () => {
    if (list.childElementCount) return;
    fill(list, detail.silent.map((place) => el("li", {}, el("span", { class: "number" }, "0"), textRuns(data.windows[place][2].map((i) => data.tokens[i]), new Map()))));
  } }, el("summary", {}, `Silent windows (${detail.silent.length})`, el("small", {}, "drawn from windows in which the feature does not fire")), list);
  return el("section", {}, more);
}
