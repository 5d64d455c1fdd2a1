"use strict";
// The part of the address behind #, which all that acts on a page shares: `#section&key=value`, where each key has one
// owner. A choice replaces the address: what is seen can be sent, and Back leaves the page at once.

const address = (() => {
  const followers = [];
  let { keys } = read();
  let asked = new URLSearchParams(keys);
  let odd = new Set(); // of what is asked for, the names that mean nothing to their owner

  function read() {
    const parts = location.hash.slice(1).split("&");
    const section = parts[0].includes("=") ? "" : parts.shift();
    return { section, keys: new URLSearchParams(parts.join("&")) };
  }

  function write() {
    const told = keys.toString().replaceAll("%2C", ",").replaceAll("%3A", ":");
    const text = [read().section, told].filter(Boolean).join("&");
    if (text !== location.hash.slice(1)) history.replaceState(null, "", `#${text}`);
  }

  // Sets keys, in this order, and removes those whose value is undefined; the section and other keys stay.
  function set(changes) {
    for (const [name, value] of Object.entries(changes)) {
      keys.delete(name);
      if (value !== undefined) keys.set(name, value);
    }
    write();
  }

  function ask(follower) {
    for (const name of follower.take(new URLSearchParams(asked))) {
      odd.add(name);
      if (keys.get(name) === asked.get(name)) keys.delete(name);
    }
  }

  function tell() {
    const owned = new Set(followers.flatMap(({ owns }) => owns));
    const passed = [...asked].filter(([name]) => odd.has(name) || !owned.has(name)).map((pair) => pair.join("="));
    const place = document.getElementById("passed-over");
    place.textContent = `The address asks for what this page does not have, which is passed over: ${passed.join(", ").slice(0, 300)}`;
    place.hidden = !passed.length;
    write();
  }

  // A follower owns the keys of these names. take(keys) does as the address asks, now and whenever the reader changes it,
  // and answers the names of keys that mean nothing.
  function follow(owns, take) {
    followers.push({ owns, take });
    ask(followers.at(-1));
    tell();
  }

  addEventListener("hashchange", () => {
    const now = read();
    if (now.section && ![...now.keys].length) return write(); // a link within the page: choices stay
    keys = now.keys;
    asked = new URLSearchParams(keys);
    odd = new Set();
    followers.forEach(ask);
    tell();
  });

  // The browser finds no section behind which keys stand; and what stands above it grows until all charts are drawn.
  const section = document.getElementById(read().section);
  const growing = new ResizeObserver(() => section.scrollIntoView());
  if (section) growing.observe(document.body);
  for (const act of ["wheel", "pointerdown", "keydown"]) addEventListener(act, () => growing.disconnect(), { once: true });
  setTimeout(() => growing.disconnect(), 10_000);
  return { set, follow };
})();
