"use strict";
// What the reader looks at (columns, order, weights, filters, rows), as keys of the address: a view can be sent.

const FIRST_ORDER = "-memorized_fraction";

function readView(board, first, given) {
  const known = new Set(board.measures.map((measure) => measure.name));
  const columns = given.get("columns")?.split(",").filter((name) => known.has(name)) ?? first;
  const filters = {};
  for (const { name, values } of board.factors) {
    if (values.some((value) => String(value) === given.get(name))) filters[name] = given.get(name);
  }
  return {
    columns,
    weights: Object.fromEntries(weightPairs(board, given.get("weights") ?? "").fit),
    sort: given.get("sort") ?? FIRST_ORDER,
    filters,
    above: given.get("above") === "1",
    rows: given.get("rows") === "cells" && board.cells ? "cells" : "settings",
  };
}

// Pairs such as fd:2,recall:1, and which of them are the positive weight of a measure that has a better direction.
function weightPairs(board, text) {
  const known = new Set(board.measures.filter(({ better }) => better).map(({ name }) => name));
  const pairs = text.split(",").map((each) => each.split(":")).map(([name, weight]) => [name, Number(weight)]);
  return { pairs, fit: pairs.filter(([name, weight]) => known.has(name) && weight > 0 && Number.isFinite(weight)) };
}

// The view's keys, undefined where it is as at first.
function keysOf(board, view, first) {
  const weights = Object.entries(view.weights).map((pair) => pair.join(":"));
  const keys = {
    weights: weights.length ? weights.join() : undefined,
    sort: view.sort === FIRST_ORDER ? undefined : view.sort,
    rows: view.rows === "settings" ? undefined : view.rows,
    above: view.above ? "1" : undefined,
  };
  for (const { name } of board.factors) keys[name] = view.filters[name];
  return { ...keys, columns: view.columns.join() === first.join() ? undefined : view.columns.join() };
}

// Names of given keys that ask for what the board does not have.
function oddKeys(board, given) {
  const factors = board.factors.map(({ name, values }) => [name, (text) => values.some((value) => String(value) === text)]);
  const columns = new Set([...board.measures, ...board.factors].map(({ name }) => name));
  const scored = weightPairs(board, given.get("weights") ?? "").fit.length > 0;
  const fits = ({ pairs, fit }) => pairs.length === fit.length;
  const knows = {
    weights: (text) => fits(weightPairs(board, text)),
    sort: (text) => columns.has(text.replace(/^-/, "")) || (scored && text.endsWith(SCORE.name)),
    rows: (text) => text === "settings" || (text === "cells" && board.cells),
    above: (text) => ["0", "1"].includes(text),
    columns: (text) => text.split(",").every((name) => name === "" || columns.has(name)),
    ...Object.fromEntries(factors),
  };
  return Object.keys(knows).filter((name) => given.has(name) && !knows[name](given.get(name)));
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
