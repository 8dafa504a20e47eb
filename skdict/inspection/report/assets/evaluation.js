// Table of all measures of one or several dictionaries, with confidence intervals.

function evaluationCard({ names, measures, counts, left_out: leftOut }) {
  const cell = ([value, low, high]) => el("td", { class: "number" }, show(value), low === null || high === null ? null : el("small", {}, `${show(low)} to ${show(high)}`));
  const rows = [];
  let last = null;
  for (const [part, name, about, values] of measures) {
    if (part !== last) rows.push(el("tr", { class: "part" }, el("th", { scope: "rowgroup", colspan: names.length + 1 }, part)));
    last = part;
    rows.push(el("tr", {}, el("th", { scope: "row" }, name, el("small", {}, about)), values.map(cell)));
  }
  const notes = [["measured on", counts.map(([name, n]) => `${show(n)} ${name}`).join(", ")], ...leftOut.map(([part, why]) => [`${part} left out`, why])];
  return el("section", { class: "card", id: "evaluation" }, el("h3", {}, "Evaluation", el("small", {}, "95 % confidence intervals")),
    el("div", { class: "wide" }, el("table", {}, el("thead", {}, el("tr", {}, el("th", { scope: "col" }, "measure"), names.map((name) => el("th", { scope: "col", class: "number" }, name)))), el("tbody", {}, rows))),
    el("dl", { class: "about" }, notes.map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, value)))));
}
