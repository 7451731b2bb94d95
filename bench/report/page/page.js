"use strict";
// Texts of other people are only ever put on the page as text nodes, and never become an element's id.
(() => {
  const byId = (id) => document.getElementById(id);
  const read = (id) => JSON.parse(byId(id).textContent);
  const data = read("data");
  const STEP = 50;

  const element = (tag, className, text) => {
    const made = document.createElement(tag);
    if (className) made.className = className;
    if (text !== undefined) made.textContent = text;
    return made;
  };

  const download = (text, name) => {
    const link = element("a");
    link.href = URL.createObjectURL(new Blob([text], { type: "text/csv" }));
    link.download = name;
    link.click();
    URL.revokeObjectURL(link.href);
  };

  // the viewer
  const fill = (id, names) => {
    for (const name of names) {
      const option = element("option", "", name);
      option.value = name;
      byId(id).append(option);
    }
  };
  fill("first", data.classifiers);
  fill("second", data.classifiers);
  fill("gold", data.labels);
  const kinds = [...new Set(data.messages.map((message) => message.kind).filter(Boolean))].sort();
  fill("kind", kinds);
  byId("kinds").hidden = !kinds.length;
  const USUAL = {
    show: data.classifiers.length > 1 ? "pair" : "all", first: data.pair[0], second: data.pair[1], gold: "", kind: "", q: "",
  };

  const key = (answer) => JSON.stringify([answer.valid, answer.labels]);
  for (const message of data.messages) {
    const raw = message.answers.flatMap((answer) => answer.attempts.map((attempt) => attempt.raw));
    message.found = [message.id, message.text, ...raw].join("\n").toLowerCase();
    message.differ = new Set(message.answers.map(key)).size > 1;
  }
  const messages = new Map(data.messages.map((message) => [message.id, message]));

  const labels = goldMarks({ data, byId, element, download });
  const suspects = new Set(data.suspects);
  const tests = {
    suspect: (m) => suspects.has(m.id),
    marked: (m) => labels.isMarked(m),
    all: () => true,
    differ: (m) => m.differ,
    pair: (m, a, b) => key(a) !== key(b),
    first: (m, a, b) => a.right && !b.right,
    second: (m, a, b) => b.right && !a.right,
    both: (m, a, b) => a.right && b.right,
    neither: (m, a, b) => !a.right && !b.right,
    none: (m) => m.answers.every((answer) => !answer.right),
    failed: (m) => m.answers.some((answer) => !answer.valid),
    retried: (m) => m.answers.some((answer) => answer.attempts.length > 1),
  };

  let chosen = [];
  let shown = 0;

  const list = (found) => {
    chosen = found;
    shown = 0;
    byId("list").replaceChildren();
    byId("count").textContent = `${chosen.length} of ${data.messages.length} messages`;
    showMore();
  };

  const choose = () => {
    const [first, second] = ["first", "second"].map((id) => data.classifiers.indexOf(byId(id).value));
    const words = byId("q").value.toLowerCase().trim();
    const [show, gold, kind] = ["show", "gold", "kind"].map((id) => byId(id).value);
    list(data.messages.filter((m) =>
      (!words || m.found.includes(words)) && (!gold || m.gold.includes(gold)) && (!kind || m.kind === kind)
      && tests[show](m, m.answers[first], m.answers[second])));
  };

  const showMore = () => {
    const next = chosen.slice(shown, shown + STEP);
    byId("list").append(...next.map(drawn));
    shown += next.length;
    byId("more").hidden = shown >= chosen.length;
  };

  // the address holds what is shown: #ID one message, #?show=...&q=... a filtered list
  const set = (state) => {
    for (const [id, usual] of Object.entries(USUAL)) {
      byId(id).value = state[id] ?? usual;
      if (byId(id).selectedIndex === -1) byId(id).value = usual;
    }
  };
  const remember = () => {
    const state = Object.keys(USUAL).filter((id) => byId(id).value !== USUAL[id]).map((id) => [id, byId(id).value]);
    history.replaceState(null, "", state.length ? `#?${new URLSearchParams(state)}` : "#section-messages");
  };
  const decoded = (text) => {
    try { return decodeURIComponent(text); } catch { return text; }
  };
  const follow = () => {
    const hash = location.hash.slice(1);
    const id = decoded(hash);
    if (messages.has(id)) {
      set({ show: "all" });
      list([messages.get(id)]);
      open(byId("list").firstChild, messages.get(id));
    } else if (hash.startsWith("?")) {
      set(Object.fromEntries(new URLSearchParams(hash.slice(1))));
      choose();
    } else {
      return false;
    }
    byId("section-messages").scrollIntoView();
    return true;
  };

  const answerText = (answer) => {
    const sure = answer.p === null ? "" : ` (${Math.round(100 * answer.p)} %)`;
    return (answer.valid ? answer.labels.join(", ") || "no label" : "unparsed") + sure;
  };

  const drawn = (message) => {
    const box = element("article", "message");
    box.tabIndex = 0;
    box.append(element("div", "text", message.text));
    const about = element("div", "gold");
    const link = element("a", "", message.id);
    link.href = `#${encodeURIComponent(message.id)}`;
    const kind = message.kind ? ` · ${message.kind}` : "";
    about.append(element("span", "", ""), labels.marking(message));
    about.firstChild.append(link, ` · gold: ${message.gold.join(", ") || "no label"}${kind}`);
    const answers = element("div", "answers");
    const pair = [byId("first").value, byId("second").value];
    message.answers.forEach((answer, i) => {
      const mark = answer.right ? "✓" : "✗";
      const look = (answer.right ? "right" : "wrong") + (pair.includes(data.classifiers[i]) ? " picked" : "");
      answers.append(element("span", look, `${mark} ${data.classifiers[i]}: ${answerText(answer)}`));
    });
    box.append(about, answers);
    box.addEventListener("click", (event) => { if (!event.target.closest(".more, .marking, a")) open(box, message); });
    box.addEventListener("keydown", (event) => { if (event.key === "Enter" && event.target === box) open(box, message); });
    return box;
  };

  const open = (box, message) => {
    const more = box.querySelector(".more");
    if (more) more.remove();
    else box.append(details(message));
  };

  const details = (message) => {
    const box = element("div", "more");
    message.answers.forEach((answer, i) => {
      const name = data.classifiers[i];
      if (data.prompts[name]) {
        box.append(element("div", "", `${name}: prompt`), element("pre", "prompt", data.prompts[name].replace("⟨the message⟩", () => message.text)));
      }
      answer.attempts.forEach((attempt, j) => {
        const how = attempt.valid ? `read as ${attempt.labels.join(", ") || "no label"}` : "parse failure";
        box.append(element("div", "", `${name}: attempt ${j + 1}, ${how}`), element("pre", "raw", attempt.raw));
      });
    });
    if (!box.childNodes.length) box.append(element("div", "", "no raw answers: none of the classifiers writes text"));
    return box;
  };

  // a spreadsheet would run a cell that begins so
  const cell = (text) => `"${(/^[=+\-@\t\r]/.test(text) ? "'" : "") + text.replace(/"/g, '""')}"`;
  const save = () => {
    const head = ["id", "text", "gold", ...data.classifiers.flatMap((name) => [name, `${name} right`])];
    const lines = chosen.map((m) => [m.id, m.text, m.gold.join(", ") || "no label",
      ...m.answers.flatMap((answer) => [answer.valid ? answer.labels.join(", ") || "no label" : "unparsed", answer.right ? "yes" : "no"])]);
    download([head, ...lines].map((line) => line.map(cell).join(",")).join("\r\n"), `${data.run}.csv`);
  };

  byId("filters").addEventListener("input", () => { choose(); remember(); });
  byId("filters").addEventListener("submit", (event) => event.preventDefault());
  byId("reset").addEventListener("click", () => { set({}); choose(); remember(); });
  byId("more").addEventListener("click", showMore);
  byId("export").addEventListener("click", save);
  window.addEventListener("hashchange", follow);
  window.addEventListener("beforeprint", () => byId("caveats")?.setAttribute("open", ""));
  set({});
  if (!follow()) choose();
})();
