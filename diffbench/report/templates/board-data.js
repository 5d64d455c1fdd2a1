"use strict";
// The leaderboard's table as the page holds it: JSON of columns, compressed. A column is made ready when it is first asked
// for, as arrays of numbers with NaN where a value is undefined.

async function readBoard() {
  const text = document.getElementById("board-data").textContent;
  const bytes = Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  const board = JSON.parse(await new Response(stream).text());
  for (const rows of [board.settings, board.cells]) {
    if (!rows) continue;
    const ready = {};
    rows.size = Object.values(rows.factors)[0].length;
    rows.keep = (name, column) => (ready[name] = column);
    rows.column = (name) => (ready[name] ??= rows.columns[name] && readied(rows.columns[name], board.reasons));
  }
  return board;
}

function readied(column, reasons) {
  const numbers = (list) => Float64Array.from(list, (value) => (value === null ? NaN : Number(value)));
  const [value, below, above] = [column.value, column.below, column.above].map(numbers);
  return {
    value,
    low: value.map((each, row) => each - below[row]),
    high: value.map((each, row) => each + above[row]),
    told: (name, row) => (Array.isArray(column[name]) ? column[name][row] : column[name]),
    reason: (row) => reasons[column.reasons[row]] ?? "",
  };
}

// From where to where the bars of a measure run: shares from 0 to 1, all else as far as any row of it reaches.
function reachOf(measure, column) {
  if (measure.unit) return [0, 1];
  let [least, most] = [0, 0];
  for (const list of [column.value, column.low, column.high]) {
    for (const each of list) {
      if (Number.isFinite(each)) [least, most] = [Math.min(least, each), Math.max(most, each)];
    }
  }
  return most > least ? [least, most] : [0, 1];
}
