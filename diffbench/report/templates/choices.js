"use strict";
// What the reader chooses in charts: parameters of one name are one choice in all charts of a page, kept in the address.

const specifications = JSON.parse(document.getElementById("specifications").textContent);
const views = {};
const choices = {}; // by name, of what is not as at first

const parametersOf = (figure) => (specifications[figure].params ?? []).filter((param) => "value" in param);
const charts = Object.keys(specifications);
const named = (name) => charts.flatMap((figure) => parametersOf(figure).filter((param) => param.name === name).map((param) => ({ figure, param })));
const choosable = [...new Set(charts.flatMap(parametersOf).map((param) => param.name))];

// What a text of the address means to a chart, undefined if nothing: a part of a range; what its own control offers; or
// else a value of its rows in the column that the parameter is called after.
function meaning(figure, { name, value, bind }, text) {
  if (Array.isArray(value)) {
    const part = text.split(",").map(Number);
    return part.length === 2 && value[0] <= part[0] && part[0] < part[1] && part[1] <= value[1] ? part : undefined;
  }
  if (bind?.input === "range") {
    const at = Number(text);
    return bind.min <= at && at <= bind.max && (at - bind.min) % bind.step === 0 ? at : undefined;
  }
  return (bind?.options ?? columnOf(figure, name)).find((offered) => String(offered) === text);
}

const columns = {};
function columnOf(figure, name) {
  const rows = Object.values(specifications[figure].datasets ?? {}).flat();
  return (columns[`${figure} ${name}`] ??= [...new Set(rows.filter((row) => name in row).map((row) => row[name]))]);
}

// A chart that does not offer what was chosen shows what it shows at first.
function shownBy(figure, param) {
  return (param.name in choices ? meaning(figure, param, choices[param.name]) : undefined) ?? param.value;
}

function withChoices(figure) {
  const { params, ...rest } = specifications[figure];
  return params ? { ...rest, params: params.map((param) => ("value" in param ? { ...param, value: shownBy(figure, param) } : param)) } : rest;
}

// Sets a choice in all charts that have it; undefined: as at first.
function show(name, text) {
  if (text === undefined) delete choices[name];
  else choices[name] = text;
  const drawn = named(name).filter(({ figure }) => views[figure]);
  return Promise.all(drawn.map(({ figure, param }) => views[figure].signal(name, shownBy(figure, param)).runAsync()));
}

async function choose(name, value) {
  const first = named(name).every(({ param }) => String(param.value) === String(value));
  const text = value === undefined || first ? undefined : String(value);
  address.set({ [name]: text });
  await show(name, text);
  document.dispatchEvent(new Event("chosen"));
}

// Hears what the reader chooses in a chart's own controls.
function listen(figure) {
  for (const param of parametersOf(figure).filter(({ bind }) => bind)) {
    views[figure].addSignalListener(param.name, (name, value) => {
      if (String(value) !== String(shownBy(figure, param))) choose(name, value);
    });
  }
}

function followAddress() {
  if (!choosable.length) return;
  address.follow(choosable, (keys) => {
    const given = choosable.filter((name) => keys.has(name));
    const odd = given.filter((name) => named(name).every(({ figure, param }) => meaning(figure, param, keys.get(name)) === undefined));
    const all = choosable.map((name) => show(name, given.includes(name) && !odd.includes(name) ? keys.get(name) : undefined));
    Promise.all(all).then(() => document.dispatchEvent(new Event("chosen")));
    return odd;
  });
}
