"use strict";
// Texts of other people are only ever put on the page as text nodes.
(() => {
  const byId = (id) => document.getElementById(id);
  const data = JSON.parse(byId("data").textContent);
  const STEP = 100;

  const element = (tag, className, text) => {
    const made = document.createElement(tag);
    if (className) made.className = className;
    if (text !== undefined) made.textContent = text;
    return made;
  };

  // charts
  for (const [name, spec] of Object.entries(JSON.parse(byId("specs").textContent))) {
    window.vegaEmbed(`#chart-${name}`, spec, { actions: false, renderer: "svg" }).then(() => {
      byId(`chart-${name}`).dataset.drawn = "yes";
    });
  }

  // tables sort by a click on a column's head: figures by value, the rest by text
  const figure = (text) => {
    const found = text.replace(/,/g, "").match(/-?[\d.]+/);
    const unit = { kB: 1e3, MB: 1e6, GB: 1e9, k: 1e3, M: 1e6, B: 1e9 }[(text.match(/[kMGB]+$/) || [""])[0]] || 1;
    return found ? Number(found[0]) * unit : NaN;
  };
  const sortBy = (head) => {
    const table = head.closest("table");
    const column = [...head.parentNode.children].indexOf(head);
    const up = head.getAttribute("aria-sort") === "descending";
    for (const other of head.parentNode.children) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", up ? "ascending" : "descending");
    const key = (row) => row.children[column].textContent;
    const body = table.tBodies[0];
    const rows = [...body.rows].sort((a, b) => {
      const [x, y] = [figure(key(a)), figure(key(b))];
      if (Number.isNaN(x) || Number.isNaN(y)) {
        return Number.isNaN(x) && Number.isNaN(y) ? key(a).localeCompare(key(b)) * (up ? 1 : -1) : Number.isNaN(x) - Number.isNaN(y);
      }
      return up ? x - y : y - x;
    });
    body.append(...rows);
  };
  for (const head of document.querySelectorAll(".sortable th")) {
    head.addEventListener("click", () => sortBy(head));
    head.addEventListener("keydown", (event) => { if (event.key === "Enter") sortBy(head); });
  }

  // the viewer
  const fill = (id, names, chosen) => {
    for (const name of names) {
      const option = element("option", "", name);
      option.value = name;
      byId(id).append(option);
    }
    if (chosen) byId(id).value = chosen;
  };
  fill("first", data.classifiers, data.classifiers[data.classifiers.length > 1 ? data.classifiers.length - 2 : 0]);
  fill("second", data.classifiers, data.classifiers[data.classifiers.length - 1]);
  fill("gold", data.labels);
  const kinds = [...new Set(data.messages.map((message) => message.kind).filter(Boolean))].sort();
  fill("kind", kinds);
  byId("kinds").hidden = !kinds.length;

  const key = (answer) => JSON.stringify([answer.valid, answer.labels]);
  for (const message of data.messages) {
    const raw = message.answers.flatMap((answer) => answer.attempts.map((attempt) => attempt.raw));
    message.found = [message.id, message.text, ...raw].join("\n").toLowerCase();
    message.differ = new Set(message.answers.map(key)).size > 1;
  }

  const tests = {
    all: () => true,
    differ: (m) => m.differ,
    pair: (m, a, b) => key(a) !== key(b),
    first: (m, a, b) => a.right && !b.right,
    second: (m, a, b) => b.right && !a.right,
    both: (m, a, b) => a.right && b.right,
    neither: (m, a, b) => !a.right && !b.right,
    none: (m) => m.answers.every((answer) => !answer.right),
    invalid: (m) => m.answers.some((answer) => !answer.valid),
    retried: (m) => m.answers.some((answer) => answer.attempts.length > 1),
  };

  let chosen = [];
  let shown = 0;

  const choose = () => {
    const [first, second] = ["first", "second"].map((id) => data.classifiers.indexOf(byId(id).value));
    const words = byId("search").value.toLowerCase().trim();
    const [who, gold, kind] = ["who", "gold", "kind"].map((id) => byId(id).value);
    chosen = data.messages.filter((m) =>
      (!words || m.found.includes(words)) && (!gold || m.gold.includes(gold)) && (!kind || m.kind === kind)
      && tests[who](m, m.answers[first], m.answers[second]));
    shown = 0;
    byId("list").replaceChildren();
    byId("count").textContent = `${chosen.length} of ${data.messages.length} messages`;
    showMore();
  };

  const showMore = () => {
    const next = chosen.slice(shown, shown + STEP);
    byId("list").append(...next.map(drawn));
    shown += next.length;
    byId("more").hidden = shown >= chosen.length;
  };

  const answerText = (answer) => {
    const sure = answer.p === null ? "" : ` (${Math.round(100 * answer.p)} %)`;
    return (answer.valid ? answer.labels.join(", ") || "no label" : "unparsed") + sure;
  };

  const drawn = (message) => {
    const box = element("article", "message");
    box.tabIndex = 0;
    box.append(element("div", "text", message.text));
    const kind = message.kind ? ` · ${message.kind}` : "";
    box.append(element("div", "gold", `${message.id} · gold: ${message.gold.join(", ") || "no label"}${kind}`));
    const answers = element("div", "answers");
    message.answers.forEach((answer, i) => {
      const mark = answer.right ? "✓" : "✗";
      answers.append(element("span", answer.right ? "right" : "wrong", `${mark} ${data.classifiers[i]}: ${answerText(answer)}`));
    });
    box.append(answers);
    const open = () => (box.querySelector(".more") ? box.querySelector(".more").remove() : box.append(details(message)));
    box.addEventListener("click", (event) => { if (!event.target.closest(".more")) open(); });
    box.addEventListener("keydown", (event) => { if (event.key === "Enter") open(); });
    return box;
  };

  const details = (message) => {
    const box = element("div", "more");
    message.answers.forEach((answer, i) => {
      const name = data.classifiers[i];
      if (data.prompts[name]) {
        box.append(element("div", "", `${name}: prompt`), element("pre", "prompt", data.prompts[name].replace("⟨the message⟩", () => message.text)));
      }
      answer.attempts.forEach((attempt, j) => {
        const how = attempt.valid ? `read as ${attempt.labels.join(", ") || "no label"}` : "not an answer";
        box.append(element("div", "", `${name}: attempt ${j + 1}, ${how}`), element("pre", "raw", attempt.raw));
      });
    });
    return box;
  };

  // a spreadsheet would run a cell that begins so
  const cell = (text) => `"${(/^[=+\-@\t\r]/.test(text) ? "'" : "") + text.replace(/"/g, '""')}"`;
  const save = () => {
    const head = ["id", "text", "gold", ...data.classifiers.flatMap((name) => [name, `${name} right`])];
    const lines = chosen.map((m) => [m.id, m.text, m.gold.join(", ") || "no label",
      ...m.answers.flatMap((answer) => [answer.valid ? answer.labels.join(", ") || "no label" : "unparsed", answer.right ? "yes" : "no"])]);
    const text = [head, ...lines].map((line) => line.map(cell).join(",")).join("\r\n");
    const link = element("a");
    link.href = URL.createObjectURL(new Blob([text], { type: "text/csv" }));
    link.download = `${data.run}.csv`;
    link.click();
    URL.revokeObjectURL(link.href);
  };

  byId("filters").addEventListener("input", choose);
  byId("filters").addEventListener("submit", (event) => event.preventDefault());
  byId("more").addEventListener("click", showMore);
  byId("export").addEventListener("click", save);
  choose();
})();
