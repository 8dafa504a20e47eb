// Summary, feature table and navigation. The URL fragment identifies the open feature.

const STEP = 120;
const scored = table.score.some((score) => score !== null);
const COLUMNS = [
  { name: "feature", title: "Feature", value: (row) => table.feature[row], ascending: true },
  { name: "density", title: "Density", value: (row) => table.density[row] },
  scored && { name: "score", title: "Score", value: (row) => table.score[row] },
  { name: "text", title: table.text.some(Boolean) ? "Tokens and explanation" : "Tokens", value: (row) => topTokens(row).join(" ").toLowerCase() || null, ascending: true },
].filter(Boolean);

const state = { order: scored ? "score" : "density", ascending: false, query: "", rows: [], shown: 0, open: null };
const texts = [];
const body = el("tbody");
const count = el("p", { class: "count", role: "status" });
const search = el("input", { type: "search", id: "search", placeholder: "Search features, tokens, explanations", "aria-label": "Search features", autocomplete: "off", spellcheck: "false", oninput: () => {
  state.query = search.value;
  refresh();
} });

function searched(row) {
  texts[row] ??= ` ${nameOf(table.feature[row])} ${topTokens(row).join(" ")} ${table.text[row]}`.toLowerCase();
  return texts[row];
}

function refresh() {
  const words = state.query.toLowerCase().split(/\s+/).filter(Boolean);
  const column = COLUMNS.find(({ name }) => name === state.order);
  const keys = table.feature.map((_, row) => column.value(row));
  const sign = state.ascending ? 1 : -1;
  state.rows = table.feature.map((_, row) => row).filter((row) => words.every((word) => searched(row).includes(word)));
  // Missing values come last in either direction.
  state.rows.sort((a, b) => (keys[a] === null) - (keys[b] === null) || (keys[a] < keys[b] ? -sign : keys[a] > keys[b] ? sign : a - b));
  state.shown = 0;
  fill(body);
  more();
  const all = table.feature.length;
  count.textContent = words.length ? `${show(state.rows.length)} of ${show(all)} features` : `${show(all)} features`;
  for (const { name } of COLUMNS) {
    const sorted = name === state.order ? (state.ascending ? "ascending" : "descending") : "none";
    byId(`by-${name}`).parentElement.setAttribute("aria-sort", sorted);
  }
}

// Rows are added as they scroll into view.
function more(atLeast = state.shown + STEP) {
  const end = Math.min(state.rows.length, atLeast);
  body.append(...state.rows.slice(state.shown, end).map(tableRow));
  state.shown = Math.max(state.shown, end);
  body.parentElement.classList.toggle("none", state.rows.length === 0);
}

function tableRow(row) {
  const feature = table.feature[row];
  const cells = [el("th", { scope: "row" }, el("a", { href: `#f${feature}` }, nameOf(feature)))];
  cells.push(el("td", { class: "number" }, percent(table.density[row])));
  if (scored) {
    const score = table.score[row];
    const unscored = table.status[row] || "–";
    cells.push(el("td", { class: "number" }, score === null ? el("small", {}, unscored) : el("span", { class: "score", "--w": Math.max(0, score) }, score.toFixed(2).replace("-", "−"))));
  }
  const tokens = topTokens(row).slice(0, 6).map(tokenChip);
  cells.push(el("td", { class: "says", dir: "auto" }, el("div", {}, tokens.length ? tokens : el("small", {}, "never fires")), table.text[row] ? el("div", { class: "words" }, table.text[row]) : null));
  const open = () => { location.hash = `f${feature}`; };
  return el("tr", { id: `row-${feature}`, "aria-current": row === state.open ? "true" : null, onclick: open }, cells);
}

function header() {
  return el("tr", {}, COLUMNS.map(({ name, title, ascending }) => el("th", { scope: "col", class: name },
    el("button", { type: "button", id: `by-${name}`, onclick: () => {
      state.ascending = state.order === name ? !state.ascending : Boolean(ascending);
      state.order = name;
      refresh();
    } }, title))));
}

function overview() {
  const { summary, interpretation } = data;
  const alive = table.density.filter((density) => density > 0).length;
  const tiles = [
    "fvu" in summary && ["FVU", show(summary.fvu), data.predicts ? "fraction of the targets' variance unexplained" : "fraction of variance unexplained"],
    ["L0", show(summary.l0), `active codes per token, of ${show(data.n_components)}`],
    ["dead features", show(summary.n_dead), `of ${show(data.n_components)} never fire`],
  ].filter(Boolean);
  if (interpretation) {
    const i = interpretation;
    const two = (value) => (value === null ? "–" : (Math.round(value * 100) / 100 + 0).toFixed(2).replace("-", "−"));
    tiles.push(["mean score", two(i.interpretability), `95 % CI ${two(i.interpretability_low)} to ${two(i.interpretability_high)}; ${show(i.n_scored)} features scored`]);
    tiles.push(["context gain", two(i.context_gain), "mean score above that of ten tokens"]);
    tiles.push(["control", two(i.shuffled), "mean score with shuffled explanations"]);
  }
  return [
    el("h2", { tabindex: "-1" }, "Summary"),
    el("dl", { class: "tiles" }, tiles.map(([name, value, hint]) => el("div", {}, el("dt", {}, name), el("dd", {}, value, el("small", {}, hint))))),
    "fvu" in summary ? null : el("p", { class: "without" }, "The FVU is left out: a transcoder is measured on the rows that it predicts, and this report was written without them."),
    el("section", { class: "card" }, el("h3", {}, "Density", el("small", {}, `${show(data.densities.length)} features`)), densityChart(data.densities)),
    data.evaluation ? evaluationCard(data.evaluation) : null,
    el("dl", { class: "about" }, [...data.about, ["documents", show(data.n_documents)], ["tokens", show(data.n_tokens)], ["features shown", `${show(table.feature.length)} (${show(alive)} alive)`]].map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, value)))),
  ];
}

function route() {
  const match = /^#f(\d+)$/.exec(location.hash);
  const row = match ? rowOf.get(Number(match[1])) : undefined;
  body.querySelector("[aria-current]")?.removeAttribute("aria-current");
  state.open = row ?? null;
  document.body.classList.toggle("open", state.open !== null);
  const detail = byId("detail");
  if (state.open === null) return fill(detail, overview());
  const feature = table.feature[row];
  byId(`row-${feature}`)?.setAttribute("aria-current", "true");
  const move = (label, text, by) => el("button", { type: "button", "aria-label": label, onclick: () => step(by) }, text);
  const heading = el("h2", { tabindex: "-1" }, `Feature ${nameOf(feature)}`);
  const tools = el("div", { class: "moves" }, move("Previous feature", "‹", -1), move("Next feature", "›", 1), el("button", { type: "button", id: "close", "aria-label": "Back to the summary", onclick: close }, "×"));
  fill(detail, el("div", { class: "bar" }, heading, tools), featureSheet(row));
  detail.scrollTop = 0;
  if (matchMedia("(max-width: 60rem)").matches) window.scrollTo(0, 0);
}

function step(by) {
  if (!state.rows.length) return;
  const at = state.rows.indexOf(state.open);
  const to = at < 0 ? (by > 0 ? 0 : state.rows.length - 1) : Math.min(state.rows.length - 1, Math.max(0, at + by));
  more(Math.max(state.shown, to + 1));
  const feature = table.feature[state.rows[to]];
  // Stepping through the table adds no history entries, so Back returns to where it started.
  history.replaceState(null, "", `#f${feature}`);
  route();
  const line = byId(`row-${feature}`);
  line.scrollIntoView({ block: "nearest" });
  line.querySelector("a").focus({ preventScroll: true });
}

function close() {
  const line = state.open !== null && byId(`row-${table.feature[state.open]}`);
  history.replaceState(null, "", "#");
  route();
  if (line) {
    line.scrollIntoView({ block: "nearest" });
    line.querySelector("a").focus({ preventScroll: true });
  }
}

function enter() {
  const link = document.activeElement?.closest?.("#list tbody a");
  if (!link) return false;
  location.hash = link.hash;
  // The sheet is built by the hashchange event, so focus it afterwards.
  setTimeout(() => byId("detail").querySelector("h2").focus());
}

byId("tools").append(helpButton([
  ["j  k", "next or previous feature in the table"], ["/", "search"], ["Enter", "move to the sheet; in the search field, open the first feature"],
  ["Escape", "close the sheet; in the search field, clear it"], ["s", "show or hide the silent windows"], ["?", "show the keyboard shortcuts"],
]), themeSwitch());
fill(byId("list"), el("div", { class: "bar" }, search, count),
  el("table", { id: "features" }, el("thead", {}, header()), body),
  el("p", { class: "empty" }, "No features match."));
const near = (box) => box.scrollTop + box.clientHeight > box.scrollHeight - 600;
byId("list").addEventListener("scroll", () => near(byId("list")) && more());
document.addEventListener("scroll", () => near(document.documentElement) && more());
addEventListener("hashchange", route);
addEventListener("beforeprint", () => state.open === null && more(state.rows.length));
onKeys({
  j: () => step(1), k: () => step(-1), "?": openHelp, Enter: enter, Escape: close,
  "/": () => { search.focus(); search.select(); },
  s: () => { const more = byId("silent"); if (more) more.open = !more.open; },
}, {
  Escape: () => { search.value = state.query = ""; refresh(); search.blur(); },
  Enter: () => { step(0 * search.blur() || (state.rows.includes(state.open) ? 0 : 1)); },
});
refresh();
route();
