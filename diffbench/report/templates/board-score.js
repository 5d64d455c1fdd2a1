"use strict";
// The score that the reader's weights give: by each measure the share of other settings that one beats, ties counting half,
// and of these the weighted mean. Each seed is scored among the settings of its own; a setting's score is their mean.

const SCORE = { name: "score", title: "weighted score", unit: true, floor: "" };

const isWeighted = (view) => Object.keys(view.weights).length > 0;
const columnsOf = (view) => (isWeighted(view) ? [SCORE.name, ...view.columns] : view.columns);

// How many of some rising numbers lie below a value.
function countBelow(rising, value) {
  let [from, to] = [0, rising.length];
  while (from < to) {
    const middle = (from + to) >> 1;
    if (rising[middle] < value) from = middle + 1;
    else to = middle;
  }
  return from;
}

// Of each of some rows the share of the others that it beats; NaN where it has no value, or no other has one.
function sharesBeaten(values, among, better) {
  const sign = better === "more" ? 1 : -1;
  const known = Float64Array.from(among, (row) => sign * values[row]).filter((value) => !Number.isNaN(value)).sort();
  const negated = known.map((value) => -value).reverse();
  const others = known.length - 1;
  return among.map((row) => {
    const own = sign * values[row];
    const [worse, best] = [countBelow(known, own), countBelow(negated, -own)];
    return Number.isNaN(own) || !others ? NaN : (worse + (others - best - worse) / 2) / others;
  });
}

// Of every row its score among the rows of its group, NaN where a weighted measure has none, and which measures these are.
function scoresOf(rows, weights, measures, groups) {
  const total = Object.values(weights).reduce((sum, weight) => sum + weight, 0);
  const value = new Float64Array(rows.size);
  const lacking = Array.from({ length: rows.size }, () => []);
  for (const [name, weight] of Object.entries(weights)) {
    const { title, better } = measures[name];
    for (const group of groups) {
      sharesBeaten(rows.column(name).value, group, better).forEach((share, at) => {
        value[group[at]] += (weight / total) * share;
        if (Number.isNaN(share)) lacking[group[at]].push(title);
      });
    }
  }
  return { value, lacking };
}

function groupsOf(rows, keyOf) {
  const groups = new Map();
  for (let row = 0; row < rows.size; row++) {
    const key = keyOf(row);
    if (!groups.has(key)) groups.set(key, []);
    groups.get(key).push(row);
  }
  return groups;
}

function asColumn(value, low, high, lacking, note) {
  const without = (row) => `no score: ${[...new Set(lacking[row])].join(", ")}: undefined, or no other setting has it`;
  return { value, low, high, note: (row) => (Number.isNaN(value[row]) ? without(row) : note(row)) };
}

// Puts the column of scores beside those of the board. With rows for each seed a setting's interval spans the seeds' scores.
function score(board, weights) {
  const measures = Object.fromEntries(board.measures.map((measure) => [measure.name, measure]));
  const { settings, cells } = board;
  const none = (rows) => new Float64Array(rows.size).fill(NaN);
  if (!cells) {
    const { value, lacking } = scoresOf(settings, weights, measures, [...groupsOf(settings, () => "").values()]);
    const several = Object.keys(weights).some((name) => settings.column(name).told("of", 0) > 1);
    const why = several ? "of means over seeds: this page holds no single seeds, so no span" : "one seed: no span";
    settings.keep(SCORE.name, asColumn(value, none(settings), none(settings), lacking, () => why));
    return;
  }
  const bySeed = groupsOf(cells, (row) => cells.factors.seed[row]);
  const { value, lacking } = scoresOf(cells, weights, measures, [...bySeed.values()]);
  cells.keep(SCORE.name, asColumn(value, none(cells), none(cells), lacking, () => "among the settings of this seed"));
  const key = (rows) => (row) => Object.keys(settings.factors).map((name) => rows.factors[name][row]).join();
  const bySetting = groupsOf(cells, key(cells));
  const own = Array.from({ length: settings.size }, (_, row) => bySetting.get(key(settings)(row)) ?? []);
  const scored = own.map((seeds) => seeds.map((cell) => value[cell]).filter((each) => !Number.isNaN(each)));
  const over = (from) => Float64Array.from(scored, (list) => (list.length ? from(list) : NaN));
  const span = (end) => over((list) => (list.length > 1 ? end(...list) : NaN));
  const mean = over((list) => list.reduce((sum, each) => sum + each, 0) / list.length);
  const note = (row) => `mean and span of the scores of ${scored[row].length} of ${own[row].length} seeds`;
  const why = own.map((seeds) => seeds.flatMap((cell) => lacking[cell]));
  settings.keep(SCORE.name, asColumn(mean, span(Math.min), span(Math.max), why, note));
}

// Inputs of weights, which follow the view.
function weightInputs(onChange) {
  const place = document.getElementById("weights");
  const inputs = [...(place?.querySelectorAll("input") ?? [])];
  const given = () => Object.fromEntries(inputs.filter(({ value }) => Number(value) > 0).map(({ name, value }) => [name, Number(value)]));
  place?.addEventListener("input", () => onChange(given()));
  place?.querySelector("button").addEventListener("click", () => onChange({}));
  if (place) place.hidden = false;
  return (weights) => {
    for (const input of inputs) {
      if (Number(input.value) !== (weights[input.name] ?? 0)) input.value = weights[input.name] ?? "";
    }
  };
}
