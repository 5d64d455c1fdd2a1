"use strict";
// Shows the sheet of the factors that the reader chooses, in the chosen view; the choice lives in the page's address.

{
  const form = document.getElementById("chooser");
  const sheets = [...document.querySelectorAll(".sheet")];
  const factors = Object.keys(sheets[0].dataset);
  const selects = [...form.querySelectorAll("select")];
  const view = selects.find((select) => select.name === "view");
  const views = view ? [...view.options].map((option) => option.value) : [];
  const titleOf = (select) => select.labels[0].firstChild.data.trim();

  // Of the sheets with this value of the factor that was chosen, if any was, the one that agrees in most others.
  function nearest(wanted, chosen) {
    const agreeing = ({ dataset }) => factors.filter((name) => dataset[name] === wanted[name]).length;
    const score = (sheet) => agreeing(sheet) + (sheet.dataset[chosen] === wanted[chosen] ? factors.length : 0);
    return sheets.reduce((best, sheet) => (score(sheet) > score(best) ? sheet : best));
  }

  function show(wanted, chosen) {
    const shown = nearest(wanted, chosen);
    const moved = selects.filter((select) => select !== view && wanted[select.name] !== shown.dataset[select.name]);
    const told = moved.map((select) => `${titleOf(select)} ${shown.dataset[select.name]}`).join(", ");
    form.querySelector("output").value = told && `None is pictured with all of these. Shown: ${told}.`;
    for (const select of selects) if (select !== view) select.value = shown.dataset[select.name];
    for (const sheet of sheets) sheet.hidden = sheet !== shown;
    if (view) document.body.dataset.view = view.value;
  }

  form.addEventListener("change", ({ target }) => {
    const wanted = { ...sheets[0].dataset, ...Object.fromEntries(selects.map((select) => [select.name, select.value])) };
    show(wanted, target === view ? undefined : target.name);
    address.set(Object.fromEntries(selects.map((select) => [select.name, select.value])));
  });
  form.hidden = !selects.length;
  address.follow([...factors, ...(view ? ["view"] : [])], (keys) => {
    const knows = (name, value) => (name === "view" ? views.includes(value) : sheets.some((sheet) => sheet.dataset[name] === value));
    const odd = [...factors, "view"].filter((name) => keys.has(name) && !knows(name, keys.get(name)));
    for (const name of odd) keys.delete(name);
    if (view) view.value = keys.get("view") ?? views[0];
    show({ ...sheets[0].dataset, ...Object.fromEntries([...keys].filter(([name]) => factors.includes(name))) });
    return odd;
  });
}
