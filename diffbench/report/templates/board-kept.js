"use strict";
// Settings that the filters of the table leave out are pale in the chart of quality against memorization, also on paper:
// its specification tells which are kept, by their places in the board. Thousands are drawn anew only where that changes.

let keptBy = "";

function showKept(board, view) {
  const param = typeof specifications !== "undefined" && specifications.pareto?.params.find(({ name }) => name === "kept");
  const filters = JSON.stringify([view.filters, view.above]);
  if (!param || filters === keptBy) return;
  keptBy = filters;
  const rows = rowsOf(board, { ...view, rows: "settings" });
  param.value = rows.length < board.settings.size && Object.fromEntries(rows.map((row) => [row, true]));
  views.pareto?.signal(param.name, param.value).run();
}
