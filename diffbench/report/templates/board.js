"use strict";
// The leaderboard: filters, choice of columns, order and export act on one view, which the address tells.

function filterForm(board) {
  const form = document.getElementById("filters");
  const option = (text, value = text) => element("option", { value: value || undefined }, text);
  const all = option("all");
  all.value = "";
  for (const { name, title, values } of board.factors) {
    if (values.length < 2 || (name === "seed" && !board.cells)) continue;
    const select = element("select", { "data-filter": name }, all.cloneNode(true), ...values.map((value) => option(String(value))));
    form.append(element("label", { "data-of": name }, title, select));
  }
  const check = (filter, text) => element("label", { class: "check" }, element("input", { type: "checkbox", "data-filter": filter }), ` ${text}`);
  if (board.settings.memorizes) form.append(check("above", "above floor only"));
  if (board.cells) form.append(check("cells", "a row for each seed"));
  form.append(element("button", { type: "reset" }, "reset"));
  form.hidden = false;
  return form;
}

// Rows and columns as they are shown, each value with both ends of its interval.
function asCsv(board, view, order) {
  const rows = board[view.rows];
  const quoted = (value) => (/[",\n]/.test(value) ? `"${String(value).replaceAll('"', '""')}"` : String(value));
  const factors = board.factors.filter(({ name }) => rows.factors[name]);
  const text = (value) => (Number.isNaN(value) ? "" : value === Infinity ? "inf" : value === -Infinity ? "-inf" : String(value));
  const columns = columnsOf(view);
  const heads = columns.flatMap((name) => [name, `${name}_low`, `${name}_high`]);
  const lines = [[...factors.map(({ name }) => name), ...heads].map(quoted).join()];
  for (const row of order) {
    const names = factors.map(({ name, values }) => quoted(values[rows.factors[name][row]]));
    const values = columns.flatMap((name) => ["value", "low", "high"].map((field) => text(rows.column(name)[field][row])));
    lines.push([...names, ...values].join());
  }
  return `${lines.join("\n")}\n`;
}

async function leaderboard() {
  const board = await readBoard();
  const form = filterForm(board);
  const boxes = [...document.querySelectorAll("#columns input")];
  const first = boxes.filter((box) => "shown" in box.dataset).map((box) => box.name);
  let view = readView(board, first, new URLSearchParams());
  let order = [];
  let scored = null; // the weights of the scores that the board holds
  const table = new BoardTable(board, (sort, name) => {
    update({ sort });
    document.querySelector(`#board th[data-name="${name}"] button`).focus();
  });

  // The first weight orders rows by the score, as the last that goes ends that.
  const showWeights = weightInputs((weights) => {
    const [before, after] = [isWeighted(view), isWeighted({ weights })];
    const sort = after && !before ? `-${SCORE.name}` : !after && view.sort.endsWith(SCORE.name) ? FIRST_ORDER : view.sort;
    update({ weights, sort });
  });

  function update(changes) {
    view = { ...view, ...changes };
    if (isWeighted(view) && view.weights !== scored) score(board, view.weights);
    scored = view.weights;
    order = rowsOf(board, view);
    table.show(view, order);
    const what = view.rows === "cells" ? "cells" : "settings";
    const held = heldIn(board, board[view.rows]);
    document.getElementById("shown-count").textContent =
      `${count(order.length)} of ${count(board[view.rows].size)} ${what}${held && `; all: ${held}`}`;
    controls();
    showKept(board, view);
    address.set(keysOf(board, view, first));
  }

  // What the controls say, where the view came from the address.
  function controls() {
    for (const select of form.querySelectorAll("select")) select.value = view.filters[select.dataset.filter] ?? "";
    const above = form.querySelector("[data-filter=above]");
    if (above) above.checked = view.above;
    const cells = form.querySelector("[data-filter=cells]");
    if (cells) cells.checked = view.rows === "cells";
    const seeds = form.querySelector("[data-of=seed]");
    if (seeds) seeds.hidden = view.rows !== "cells";
    for (const box of boxes) box.checked = view.columns.includes(box.name);
    showWeights(view.weights);
  }

  form.addEventListener("change", () => {
    const filters = {};
    for (const select of form.querySelectorAll("select")) if (select.value) filters[select.dataset.filter] = select.value;
    const rows = form.querySelector("[data-filter=cells]")?.checked ? "cells" : "settings";
    if (rows === "settings") delete filters.seed;
    document.getElementById("window").scrollTop = 0;
    update({ filters, rows, above: form.querySelector("[data-filter=above]")?.checked ?? false });
  });
  form.addEventListener("reset", (event) => {
    event.preventDefault();
    update({ filters: {}, rows: "settings", above: false, weights: {}, sort: FIRST_ORDER });
  });
  form.addEventListener("submit", (event) => event.preventDefault());
  const columns = document.getElementById("columns");
  columns.addEventListener("change", () => update({ columns: boxes.filter((box) => box.checked).map((box) => box.name) }));
  columns.addEventListener("click", (event) => {
    const which = event.target.dataset?.columns;
    if (which) update({ columns: { shown: first, all: boxes.map((box) => box.name), none: [] }[which] });
  });
  document.getElementById("export").addEventListener("click", () => save(`${board.study}-${document.body.dataset.page}.csv`, asCsv(board, view, order), "text/csv"));
  for (const hidden of document.querySelectorAll("#columns, .board-line, #window")) hidden.hidden = false;
  address.follow(Object.keys(keysOf(board, view, first)), (keys) => {
    const odd = oddKeys(board, keys);
    if (odd.includes("sort")) keys.delete("sort");
    update(readView(board, first, keys));
    return odd;
  });
  document.getElementById("board").dataset.ready = "yes";
}

const boardShown = leaderboard().catch((error) => {
  const told = document.getElementById("board-failed");
  told.textContent = `The table could not be shown (${error.message}); the CSV above has all of it.`;
  told.hidden = false;
  console.error(error);
});
