"use strict";
// Charts and tables: what every page of the project has.
(() => {
  const byId = (id) => document.getElementById(id);
  const read = (id) => JSON.parse(byId(id).textContent);

  // charts: in the reader's light or dark, and at the width of a phone on a phone
  const specs = read("specs");
  const looks = read("looks");
  const MARGIN = 90;
  const dark = window.matchMedia("screen and (prefers-color-scheme: dark)");
  const fitted = (spec, room) => {
    if (room >= 500) return spec.wide;
    if (typeof spec.wide.width !== "number") return { ...spec.wide, columns: 1 };
    return spec.narrow || { ...spec.wide, width: Math.max(room - MARGIN, 200) };
  };
  const draw = () => {
    for (const [name, spec] of Object.entries(specs)) {
      const box = byId(`chart-${name}`);
      if (!box) continue;
      delete box.dataset.drawn;
      const look = { ...fitted(spec, box.clientWidth), config: looks[dark.matches ? "dark" : "light"] };
      window.vegaEmbed(box, look, { actions: false, renderer: "svg" }).then(() => { box.dataset.drawn = "yes"; });
    }
  };
  const narrow = window.matchMedia("(max-width: 640px)");
  for (const query of [dark, narrow]) query.addEventListener("change", draw);
  draw();

  // tables sort by a click on a column's head: figures by value, words by the alphabet
  const UNITS = { kB: 1e3, MB: 1e6, GB: 1e9, k: 1e3, M: 1e6 };
  const figure = (text, billion) => {
    const found = text.replace(/,/g, "").match(/[-+]?[\d.]+/);
    if (!found) return NaN;
    const unit = (text.match(/[kMGB]+$/) || [""])[0];
    return Number(found[0]) * (unit === "B" ? billion : UNITS[unit] || 1) * (text.startsWith("<") ? 0.5 : 1);
  };
  const sortBy = (head) => {
    const table = head.closest("table");
    const column = [...head.parentNode.children].indexOf(head);
    const up = head.getAttribute("aria-sort") === "descending";
    for (const other of head.parentNode.children) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", up ? "ascending" : "descending");
    const body = table.tBodies[0];
    const text = (row) => row.children[column].textContent;
    // B is bytes beside kB, MB and GB, and billions elsewhere
    const billion = [...body.rows].some((row) => /[kMG]B$/.test(text(row))) ? 1 : 1e9;
    const value = (row) => (head.classList.contains("text") ? NaN : figure(text(row), billion));
    const rows = [...body.rows].sort((a, b) => {
      const [x, y] = [value(a), value(b)];
      if (Number.isNaN(x) && Number.isNaN(y)) return text(a).localeCompare(text(b)) * (up ? 1 : -1);
      if (Number.isNaN(x) || Number.isNaN(y)) return Number.isNaN(x) - Number.isNaN(y);
      return up ? x - y : y - x;
    });
    body.append(...rows);
  };
  for (const head of document.querySelectorAll(".sortable th")) {
    head.addEventListener("click", () => sortBy(head));
    head.addEventListener("keydown", (event) => { if (event.key === "Enter") sortBy(head); });
  }
})();
