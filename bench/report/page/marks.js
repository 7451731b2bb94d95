"use strict";
// What people say of gold labels: marked beside each message, kept in this browser, saved as corrections.csv.
// Labels and texts are only ever put on the page as text nodes and values.
const goldMarks = ({ data, byId, element, download }) => {
  const KEY = `corrections ${data.run} ${data.split}`;
  const stored = () => {
    try { return JSON.parse(localStorage.getItem(KEY)) || {}; } catch { return {}; }
  };
  const kept = stored();
  const marks = new Map(Object.entries(kept.marks || {}));
  byId("who").value = kept.who || "";
  const store = () => {
    const kept = JSON.stringify({ who: byId("who").value, marks: Object.fromEntries(marks) });
    try { localStorage.setItem(KEY, kept); } catch { /* a browser that keeps nothing */ }
    byId("marked").textContent = `${marks.size || "none"} marked`;
    if (marks.size) byId("marks").open = true;
    byId("corrections").disabled = !marks.size;
  };
  const labelsText = (labels) => (data.several ? JSON.stringify(labels) : labels.join(""));

  // what most classifiers answer in place of the gold label
  const likely = (message) => {
    const counts = new Map();
    for (const answer of message.answers) {
      const key = JSON.stringify(answer.labels);
      if (answer.valid && !answer.right) counts.set(key, (counts.get(key) || 0) + 1);
    }
    const best = [...counts].sort((a, b) => b[1] - a[1])[0];
    return best ? JSON.parse(best[0]) : [];
  };

  // one mark per message: a second click on the same one takes it back
  const marking = (message) => {
    const box = element("div", "marking");
    if (!message.hash) return box;
    const fine = element("button", "", "fine");
    const ambiguous = element("button", "", "ambiguous");
    const right = element("select");
    right.multiple = data.several;
    right.setAttribute("aria-label", `right label of ${message.id}`);
    for (const name of data.labels) {
      const option = element("option", "", name);
      option.value = name;
      if (data.several || !message.gold.includes(name)) right.append(option);
    }
    const guess = likely(message);
    for (const option of right.options) option.selected = guess.includes(option.value);
    const wrong = element("button", "", "wrong, it is");
    const show = () => {
      const mark = marks.get(message.hash);
      for (const [button, name] of [[fine, "fine"], [ambiguous, "ambiguous"], [wrong, "wrong"]]) {
        button.type = "button";
        button.setAttribute("aria-pressed", String(mark !== undefined && mark.mark === name));
      }
      if (mark && mark.mark === "wrong") for (const option of right.options) option.selected = mark.new.includes(option.value);
    };
    const say = (name, labels) => {
      const mark = marks.get(message.hash);
      if (mark && mark.mark === name && labelsText(mark.new) === labelsText(labels)) marks.delete(message.hash);
      else marks.set(message.hash, { old: message.gold, new: labels, mark: name, when: new Date().toISOString() });
      store();
      show();
    };
    const picked = () => [...right.selectedOptions].map((option) => option.value);
    fine.addEventListener("click", () => say("fine", message.gold));
    ambiguous.addEventListener("click", () => say("ambiguous", message.gold));
    wrong.addEventListener("click", () => { if (labelsText(picked()) !== labelsText(message.gold)) say("wrong", picked()); });
    right.addEventListener("change", () => { if (marks.get(message.hash)?.mark === "wrong") say("wrong", picked()); });
    box.append(element("span", "", "gold is"), fine, ambiguous, wrong, right);
    show();
    return box;
  };

  // read by programs: labels stand as they are
  const plainCell = (text) => `"${text.replace(/"/g, '""')}"`;
  const saveMarks = () => {
    const lines = [...marks].map(([hash, mark]) => [hash, labelsText(mark.old),
      mark.mark === "wrong" ? labelsText(mark.new) : "", mark.mark, byId("who").value, mark.when]);
    const head = ["text_sha256", "old", "new", "mark", "who", "when"];
    download([head, ...lines].map((line) => `${line.map(plainCell).join(",")}\n`).join(""), "corrections.csv");
  };

  byId("corrections").addEventListener("click", saveMarks);
  byId("who").addEventListener("input", store);
  store();
  return { marking, isMarked: (message) => marks.has(message.hash) };
};
