"use strict";
// Draws the charts, in inks that suit the page's scheme, and makes leaderboard and pictures choosable.

const dark = matchMedia("(prefers-color-scheme: dark)");
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
  const specifications = JSON.parse(document.getElementById("specifications").textContent);
  const tooltip = { theme: dark.matches ? "dark" : "light" };
  for (const place of document.querySelectorAll("[data-figure]")) {
    const specification = specifications[place.dataset.figure];
    const shown = dark.matches ? inDark(specification) : specification;
    try {
      await vegaEmbed(place, shown, { actions: false, renderer: "svg", tooltip });
      place.dataset.drawn = "yes";
    } catch (error) {
      place.textContent = `This chart could not be drawn: ${error.message}`;
      console.error(place.dataset.figure, error);
    }
  }
}

function choosePictures() {
  const choice = document.getElementById("sheet-choice");
  if (!choice) return;
  choice.closest("p").hidden = false;
  const show = () => {
    for (const sheet of document.querySelectorAll(".sheet")) sheet.hidden = sheet.id !== `sheet-${choice.value}`;
  };
  choice.addEventListener("change", show);
  show();
}

function chooseRows() {
  const form = document.getElementById("filters");
  if (!form) return;
  const board = document.getElementById("board");
  const bodies = [...board.tBodies];
  form.hidden = false;

  const apply = () => {
    const selects = [...form.querySelectorAll("select[data-filter]")].filter((select) => select.value);
    const above = form.querySelector("[data-filter=memorizes]").checked;
    let shown = 0;
    for (const body of bodies) {
      const fits = selects.every((select) => body.dataset[select.dataset.filter] === select.value);
      body.hidden = !fits || (above && body.dataset.memorizes !== "1");
      shown += body.hidden ? 0 : 1;
    }
    board.classList.toggle("hide-seeds", !document.getElementById("show-seeds").checked);
    document.getElementById("shown-count").textContent = `${shown} of ${bodies.length} settings`;
  };
  form.addEventListener("change", apply);
  form.addEventListener("reset", () => setTimeout(apply));
  form.addEventListener("submit", (event) => event.preventDefault());
  apply();

  const headers = [...board.tHead.rows[0].cells];
  headers.forEach((header, column) => {
    header.firstElementChild.addEventListener("click", () => {
      const descending = header.getAttribute("aria-sort") !== "descending";
      for (const other of headers) other.removeAttribute("aria-sort");
      header.setAttribute("aria-sort", descending ? "descending" : "ascending");
      sortBodies(board, bodies, column, header.dataset.kind, descending);
    });
  });
}

// Undefined values stand last in either direction.
function sortBodies(board, bodies, column, kind, descending) {
  const key = (body) => body.rows[0].cells[column].dataset.sort;
  bodies.sort((one, two) => {
    const [a, b] = [key(one), key(two)];
    if (a === "" || b === "") return (a === "") - (b === "");
    const order = kind === "number" ? Number(a) - Number(b) : a.localeCompare(b, undefined, { numeric: true });
    return descending ? -order : order;
  });
  board.append(...bodies);
}

chooseRows();
choosePictures();
draw();
dark.addEventListener("change", draw);
