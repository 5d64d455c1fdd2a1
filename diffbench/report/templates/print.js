"use strict";
// Prints one chart alone, on a page of its own size and in the inks of paper: browsers save that as a PDF of vectors.

async function printChart(name) {
  const { view, file } = await forPaper(name);
  const [sheet, size, title] = [document.createElement("div"), document.createElement("style"), document.title];
  sheet.id = "sheet";
  sheet.innerHTML = await view.toSVG();
  const { width, height } = sheet.firstElementChild.viewBox.baseVal;
  size.textContent = `@page { size: ${Math.ceil(width)}px ${Math.ceil(height) + 1}px; margin: 0 }`;
  document.body.append(size, sheet);
  document.title = file; // what browsers offer as the name of the file
  const restore = () => {
    document.title = title;
    size.remove();
    sheet.remove();
  };
  addEventListener("afterprint", restore, { once: true });
  print();
}
