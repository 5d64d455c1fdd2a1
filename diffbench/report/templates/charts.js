"use strict";
// Draws the charts, in inks that suit the page's scheme, and saves them.

const dark = matchMedia("(prefers-color-scheme: dark)");
const ERRORS = 1; // what Vega says on the console: no word on layers that a choice leaves without rows
const DARK_INKS = {
  title: { color: "#e6e9ee" },
  axis: { labelColor: "#c3cad3", titleColor: "#c3cad3" },
  legend: { labelColor: "#c3cad3", titleColor: "#c3cad3" },
  header: { labelColor: "#c3cad3", titleColor: "#c3cad3" },
};

function inDark(specification) {
  const config = { ...specification.config };
  for (const [part, inks] of Object.entries(DARK_INKS)) config[part] = { ...config[part], ...inks };
  return { ...specification, config };
}

async function draw() {
  const tooltip = { theme: dark.matches ? "dark" : "light", formatTooltip: tipText };
  for await (const place of inTurn(document.querySelectorAll("[data-figure]"))) {
    const specification = withChoices(place.dataset.figure);
    const shown = dark.matches ? inDark(specification) : specification;
    try {
      views[place.dataset.figure] = (await vegaEmbed(place, shown, { actions: false, renderer: "svg", tooltip, logLevel: ERRORS })).view;
      listen(place.dataset.figure);
      place.dataset.drawn = "yes";
      place.dispatchEvent(new Event("drawn", { bubbles: true }));
    } catch (error) {
      place.textContent = `This chart could not be drawn: ${error.message}`;
      console.error(place.dataset.figure, error);
    }
  }
}

// The chart for paper: on white in the inks of a light page, with what the reader chose; and what its file is called.
async function forPaper(name) {
  const chosen = parametersOf(name).filter((param) => param.bind || shownBy(name, param) !== param.value);
  const words = [document.body.dataset.page, name, ...chosen.map((param) => String(shownBy(name, param)))];
  const paper = { ...withChoices(name), background: "white" };
  const { view } = await vegaEmbed(document.createElement("div"), paper, { actions: false });
  return { view, file: words.map(inFileName).join("-") };
}

// As diffbench.report.pages.drawings names the files of the command `figures`.
function inFileName(text) {
  return text.toLowerCase().replaceAll("σ", "sigma").replaceAll("τ", "tau").replace(/[^a-z0-9.]+/g, "-").replace(/^-|-$/g, "");
}

async function saveChart(name, format) {
  if (format === "pdf") return printChart(name);
  const { view, file } = await forPaper(name);
  if (format === "svg") save(`${file}.svg`, await view.toSVG(), "image/svg+xml");
  else (await view.toCanvas(2)).toBlob((image) => save(`${file}.png`, image, "image/png"));
}

for (const buttons of document.querySelectorAll(".save [data-of]")) {
  buttons.addEventListener("click", ({ target }) => target.dataset.save && saveChart(buttons.dataset.of, target.dataset.save));
  buttons.hidden = false;
}
followAddress();
draw();
dark.addEventListener("change", draw);
