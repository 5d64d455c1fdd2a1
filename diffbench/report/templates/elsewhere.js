"use strict";
// In Snakemake's own report each file lies in a folder of its own, called by the SHA-256 of its path in the results: links
// find the other pages there. Tables that are not part of it are named, and no longer links.

{
  const folders = location.pathname.match(/\/data\/raw\/([0-9a-f]+)\/([^/]+)$/);
  const folder = async (name) => {
    const bytes = new TextEncoder().encode(`${document.body.dataset.place}/${name}`);
    const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
    return [...digest].map((byte) => byte.toString(16).padStart(2, "0")).join("").slice(0, folders[1].length);
  };
  const relink = async () => {
    const known = folders[1] === (await folder(decodeURIComponent(folders[2])));
    for (const link of document.querySelectorAll("a[href]:not([href^='#']):not([href*=':'])")) {
      const [name, part = ""] = link.getAttribute("href").split("#");
      if (known && name.endsWith(".html")) link.href = `../${await folder(name)}/${name}${part && `#${part}`}`;
      else link.removeAttribute("href");
    }
    document.body.dataset.relinked = "";
  };
  if (folders) relink();
}
