// Search, copying, the place in the contents. Without it every page can be read all the same.
"use strict";
const root = document.currentScript.dataset.root;

// Contents: open beside the text, folded above it; the section that is being read stands out.
const menu = document.querySelector(".menu");
const wide = matchMedia("(min-width: 64em)");
wide.addEventListener("change", () => (menu.open = wide.matches));
addEventListener("click", (event) => {
  const stays = menu.contains(event.target) && !event.target.closest("a");
  if (!stays && !wide.matches) menu.open = false;
});
const entries = [...menu.querySelectorAll("a[href^='#']")];
const places = entries.map((a) => document.getElementById(decodeURIComponent(a.hash.slice(1))));
let now = null;
function follow() {
  const above = places.filter((place) => place.getBoundingClientRect().top < 120).length;
  if (now === above) return;
  now = above;
  entries.forEach((a, i) => a.classList.toggle("now", i === above - 1));
  const list = menu.querySelector("nav");
  const [low, high] = [list.getBoundingClientRect(), entries[above - 1]?.getBoundingClientRect()];
  if (high && (high.top < low.top || high.bottom > low.bottom)) list.scrollTop += high.top - low.top - 200;
}
if (entries.length) {
  addEventListener("scroll", follow, { passive: true });
  follow();
}

// A button on each cell that copies its code.
if (navigator.clipboard) {
  for (const block of document.querySelectorAll(".code > .highlight")) {
    const button = Object.assign(document.createElement("button"), { className: "copy", textContent: "copy" });
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(block.querySelector("pre").textContent.trimEnd());
      button.textContent = "copied";
      setTimeout(() => (button.textContent = "copy"), 1500);
    });
    block.append(button);
  }
}

// Search: all words must stand in a section; a word in its heading weighs more.
const form = document.querySelector(".search");
const input = form.querySelector("input");
const found = form.querySelector(".found");
form.hidden = false;

function load() {
  if (document.getElementById("index")) return;
  const script = Object.assign(document.createElement("script"), { id: "index", src: `${root}/search.js` });
  script.addEventListener("load", search);
  document.head.append(script);
}

function weigh([title, heading, , text], words) {
  const [high, low] = [heading.toLowerCase(), text.toLowerCase()];
  let weight = 0;
  for (const word of words) {
    const times = low.split(word).length - 1;
    if (!times && !high.includes(word) && !title.toLowerCase().includes(word)) return 0;
    weight += (high.includes(word) ? 10 : 0) + Math.min(times, 5) + 0.1;
  }
  return weight;
}

function excerpt(text, words) {
  const low = text.toLowerCase();
  const first = Math.max(0, Math.min(...words.map((w) => low.indexOf(w)).filter((i) => i >= 0), text.length) - 50);
  const line = document.createElement("small");
  const escaped = words.map((w) => w.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
  const parts = text.slice(first, first + 160).split(new RegExp(`(${escaped.join("|")})`, "i"));
  line.append(first ? "… " : "");
  parts.forEach((part, i) => {
    if (i % 2 === 0) return line.append(part);
    line.append(Object.assign(document.createElement("mark"), { textContent: part }));
  });
  return line;
}

function search() {
  const words = input.value.toLowerCase().split(/\s+/).filter((word) => word.length > 1);
  found.hidden = !words.length || !window.searchIndex;
  if (found.hidden) return;
  const hits = searchIndex.map((entry) => [weigh(entry, words), entry]).filter(([weight]) => weight);
  hits.sort((a, b) => b[0] - a[0]);
  found.replaceChildren(
    ...hits.slice(0, 20).map(([, [title, heading, address, text]]) => {
      const link = Object.assign(document.createElement("a"), { href: `${root}/${address}` });
      link.append(heading === title ? title : `${title}: ${heading}`, excerpt(text, words));
      return link;
    }),
  );
  if (!hits.length) found.append(Object.assign(document.createElement("p"), { textContent: "Nothing found." }));
  found.scrollTop = 0;
}
input.addEventListener("focus", load);
input.addEventListener("input", search);
form.addEventListener("submit", (event) => {
  event.preventDefault();
  found.querySelector("a")?.click();
});
form.addEventListener("click", (event) => {
  if (event.target.closest("a")) found.hidden = true;
});
addEventListener("click", (event) => {
  if (!form.contains(event.target)) found.hidden = true;
});
addEventListener("keydown", (event) => {
  if (event.key === "Escape") found.hidden = true;
  if (event.key === "/" && !/input|textarea/i.test(event.target.tagName)) {
    event.preventDefault();
    input.focus();
  }
});
