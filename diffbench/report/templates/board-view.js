"use strict";
// What the reader looks at (columns, order, weights, filters, rows), as the part of the address behind #: a view can be sent.

const FIRST_ORDER = "-memorized_fraction";

function readView(board, first) {
  const given = new URLSearchParams(location.hash.slice(1));
  const known = new Set(board.measures.map((measure) => measure.name));
  const columns = given.get("columns")?.split(",").filter((name) => known.has(name)) ?? first;
  const filters = {};
  for (const { name, values } of board.factors) {
    if (values.some((value) => String(value) === given.get(name))) filters[name] = given.get(name);
  }
  return {
    columns,
    weights: readWeights(board, given.get("weights") ?? ""),
    sort: given.get("sort") ?? FIRST_ORDER,
    filters,
    above: given.get("above") === "1",
    rows: given.get("rows") === "cells" && board.cells ? "cells" : "settings",
  };
}

// Such as fd:2,recall:1; what is no positive number, or of a measure without a better direction, is passed over.
function readWeights(board, text) {
  const known = new Set(board.measures.filter(({ better }) => better).map(({ name }) => name));
  const pairs = text.split(",").map((each) => each.split(":")).map(([name, weight]) => [name, Number(weight)]);
  return Object.fromEntries(pairs.filter(([name, weight]) => known.has(name) && weight > 0 && Number.isFinite(weight)));
}

function writeView(view, first) {
  const told = new URLSearchParams();
  if (view.sort !== FIRST_ORDER) told.set("sort", view.sort);
  if (view.rows !== "settings") told.set("rows", view.rows);
  if (view.above) told.set("above", "1");
  const weights = Object.entries(view.weights).map((pair) => pair.join(":"));
  if (weights.length) told.set("weights", weights.join());
  for (const [name, value] of Object.entries(view.filters)) told.set(name, value);
  if (view.columns.join() !== first.join()) told.set("columns", view.columns.join());
  history.replaceState(null, "", `#${told.toString().replaceAll("%2C", ",").replaceAll("%3A", ":")}`);
}

// Factors that tell rows apart, and the model, which heads them; and what all rows have in common, in words.
function factorsOf(board, rows) {
  return board.factors.filter(({ name, values }) => rows.factors[name] && (name === "model" || values.length > 1));
}

function heldIn(board, rows) {
  const held = board.factors.filter(({ name, values }) => rows.factors[name] && name !== "model" && values.length === 1);
  return held.map(({ title, values }) => `${title} ${values[0]}`).join(", ");
}

// Numbers of the rows that fit, in order; undefined values stand last in either direction.
function rowsOf(board, view) {
  const rows = board[view.rows];
  const codes = board.factors
    .filter(({ name }) => name in view.filters && rows.factors[name])
    .map(({ name, values }) => [rows.factors[name], values.findIndex((value) => String(value) === view.filters[name])]);
  const chosen = [];
  for (let row = 0; row < rows.size; row++) {
    const fits = codes.every(([list, code]) => list[row] === code);
    if (fits && !(view.above && rows.memorizes && !rows.memorizes[row])) chosen.push(row);
  }
  const key = view.sort.replace(/^-/, "");
  const list = rows.factors[key] ?? rows.column(key)?.value;
  if (!list) return chosen;
  const sign = view.sort.startsWith("-") ? -1 : 1;
  return chosen.sort((one, two) => {
    const [a, b] = [list[one], list[two]];
    if (Number.isNaN(a) || Number.isNaN(b)) return Number.isNaN(a) - Number.isNaN(b);
    return sign * (a < b ? -1 : a > b ? 1 : 0);
  });
}
