// The report works without this: here are the filter, the copy buttons and the keys.
(() => {
  "use strict";
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];
  const one = (selector) => document.querySelector(selector);
  const checks = all("details.check");
  const search = one("#search"), category = one("#category"), service = one("#service");
  const ticks = all("#statuses input"), count = one("#count"), keys = one("#keys");
  one(".filters").hidden = false;

  const words = new Map();  // what a check says, folded once, when it is first asked for
  const said = (element) => {
    if (!words.has(element)) words.set(element, element.textContent.toLowerCase());
    return words.get(element);
  };

  function filter() {
    const wanted = search.value.trim().toLowerCase().split(/\s+/).filter(Boolean);
    const statuses = new Set(ticks.filter((t) => t.checked).map((t) => t.value));
    let shown = 0;
    for (const check of checks) {
      const fits = statuses.has(check.dataset.status)
        && (!category.value || check.dataset.category === category.value)
        && (!service.value || check.dataset.service === service.value)
        && wanted.every((word) => said(check).includes(word));
      check.hidden = !fits;
      shown += fits;
      narrow(check, fits && !wanted.every((word) => said(check.querySelector("summary")).includes(word)) ? wanted : []);
    }
    count.textContent = `${shown} of ${checks.length} checks`;
  }
  // where the words are in the findings alone, those that have them are left
  function narrow(check, wanted) {
    if (!wanted.length && !check.dataset.narrowed) return;
    const items = all(".findings li", check);
    const fitting = new Set(items.filter((item) => wanted.every((word) => said(item).includes(word))));
    for (const item of items) item.hidden = fitting.size > 0 && !fitting.has(item);
    check.dataset.narrowed = wanted.length ? "1" : "";
  }
  let waiting = 0;
  search.addEventListener("input", () => { clearTimeout(waiting); waiting = setTimeout(filter, 60); });
  for (const control of [category, service, ...ticks]) control.addEventListener("change", filter);
  one("#reset").addEventListener("click", () => {
    search.value = category.value = service.value = "";
    for (const tick of ticks) tick.checked = true;
    filter();
    search.focus();
  });
  one("#unfold").addEventListener("click", (event) => {
    const open = event.target.dataset.open !== "1";
    for (const check of checks) if (!check.hidden) check.open = open;
    event.target.dataset.open = open ? "1" : "";
    event.target.textContent = open ? "Fold all" : "Unfold all";
  });
  filter();

  // copy
  async function copy(text, button) {
    let done = false;
    try { await navigator.clipboard.writeText(text); done = true; } catch {
      const area = document.createElement("textarea");
      area.value = text;
      document.body.append(area);
      area.select();
      try { done = document.execCommand("copy"); } catch { /* told below */ }
      area.remove();
      button.focus();
    }
    const before = button.dataset.label;
    button.textContent = done ? "Copied" : "Select it and copy";
    setTimeout(() => { button.textContent = before; }, 1600);
  }
  function button(label, take) {
    const made = document.createElement("button");
    made.type = "button";
    made.className = "copy";
    made.textContent = made.dataset.label = label;
    made.addEventListener("click", (event) => { event.preventDefault(); copy(take(), made); });
    return made;
  }
  function buttons(within) {
    if (within.dataset.copied) return;
    within.dataset.copied = "1";
    const remedies = all(".findings pre", within);
    for (const pre of all("pre", within)) {
      const text = pre.textContent;
      pre.prepend(button("Copy", () => text));
    }
    const list = within.querySelector(".findings");
    if (remedies.length > 1) {
      const text = remedies.map((pre) => pre.lastChild.textContent.trim()).join("\n");
      list.before(button(`Copy all ${remedies.length} statements`, () => text));
    }
  }
  for (const check of checks) check.addEventListener("toggle", () => { if (check.open) buttons(check); });
  for (const place of all("[data-copies]")) buttons(place);

  // deep links
  function follow() {
    const target = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    const check = target && target.closest("details.check");
    if (!check) return;
    if (check.hidden) one("#reset").click();
    check.open = true;
    check.scrollIntoView({ block: "start" });
    check.querySelector("summary").focus({ preventScroll: true });
  }
  addEventListener("hashchange", follow);
  follow();

  // keys; they can be switched off, since a speaker's words may press them (WCAG 2.1.4)
  addEventListener("keydown", (event) => {
    const typing = /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName) && event.target.type !== "checkbox";
    if (event.key === "Escape" && event.target === search) { search.value = ""; filter(); return; }
    if (!keys.checked || typing || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "/") { event.preventDefault(); search.focus(); return; }
    if (event.key !== "j" && event.key !== "k") return;
    const shown = checks.filter((check) => !check.hidden);
    const at = shown.indexOf(document.activeElement.closest("details.check"));
    const next = event.key === "j" ? at + 1 : at < 0 ? shown.length - 1 : at - 1;
    shown[Math.max(0, Math.min(next, shown.length - 1))]?.querySelector("summary").focus();
  });

  // what is folded prints too
  let opened = [];
  addEventListener("beforeprint", () => {
    opened = all("details:not([open]):not(.source)");
    for (const fold of opened) fold.open = true;
  });
  addEventListener("afterprint", () => { for (const fold of opened) fold.open = false; });
})();
