"use strict";
// The table of devices: found, sorted and shown a page at a time, so that ten thousand rows cost what a hundred do.
(() => {
  const data = document.getElementById("rows");
  if (!data) return;
  const rows = JSON.parse(data.textContent);
  const PAGE = 100;
  const table = document.getElementById("devices");
  const body = table.tBodies[0];
  const heads = [...table.tHead.rows[0].cells];
  const search = document.getElementById("search");
  const outcome = document.getElementById("outcome");
  const shown = document.getElementById("shown");
  const [first, back, on, last] = ["first", "back", "on", "last"].map((name) => document.getElementById(name));
  const OUTCOME = heads.findIndex((head) => head.dataset.kind === "outcome");
  // What is searched, once for each row and not at each key that is pressed.
  const words = rows.map((row) => row.join("\n").toLowerCase());
  const order = new Intl.Collator("en", { numeric: true });
  let sorted = null;
  let found = rows.map((_, index) => index);
  let page = 0;

  const compare = (column, kind) => (a, b) => {
    const [x, y] = [rows[a][column], rows[b][column]];
    if (kind === "number") return (x === "" ? Infinity : x) - (y === "" ? Infinity : y) || a - b;
    return order.compare(x, y) || a - b;
  };

  const find = () => {
    const wanted = search.value.trim().toLowerCase();
    const only = outcome.value;
    found = [];
    for (let index = 0; index < rows.length; index += 1) {
      if (only && rows[index][OUTCOME] !== only) continue;
      if (wanted && !words[index].includes(wanted)) continue;
      found.push(index);
    }
    if (sorted) {
      const { column, up } = sorted;
      found.sort(compare(column, heads[column].dataset.kind));
      if (!up) found.reverse();
    }
    page = 0;
    show();
  };

  const cellOf = (head, value) => {
    const cell = document.createElement("td");
    cell.textContent = value;  // as text: nothing in a row is ever markup
    cell.className = head.dataset.class || "";
    return cell;
  };

  const show = () => {
    const pages = Math.max(1, Math.ceil(found.length / PAGE));
    page = Math.min(Math.max(page, 0), pages - 1);
    const fragment = document.createDocumentFragment();
    for (const index of found.slice(page * PAGE, (page + 1) * PAGE)) {
      const line = document.createElement("tr");
      heads.forEach((head, column) => line.append(cellOf(head, rows[index][column])));
      fragment.append(line);
    }
    body.replaceChildren(fragment);
    const number = (value) => value.toLocaleString("en");
    const of = found.length === rows.length ? "" : ` of ${number(rows.length)}`;
    const span = found.length > PAGE ? `, ${number(page * PAGE + 1)} to ${number(Math.min((page + 1) * PAGE, found.length))} shown` : "";
    shown.textContent = `${number(found.length)}${of} devices${span}`;
    first.disabled = back.disabled = page === 0;
    on.disabled = last.disabled = page === pages - 1;
  };

  heads.forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = head.textContent;
    head.replaceChildren(button);
    button.addEventListener("click", () => {
      const up = !(sorted && sorted.column === column && sorted.up);
      sorted = { column, up };
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", up ? "ascending" : "descending");
      find();
    });
  });
  search.addEventListener("input", find);
  outcome.addEventListener("change", find);
  const turn = (button, to) => button.addEventListener("click", () => { page = to(); show(); });
  turn(first, () => 0);
  turn(back, () => page - 1);
  turn(on, () => page + 1);
  turn(last, () => Infinity);
  for (const link of document.querySelectorAll("[data-search]")) {
    link.addEventListener("click", () => {
      search.value = link.dataset.search;
      outcome.value = "";
      find();
    });
  }
  document.getElementById("tools").hidden = false;
  document.getElementById("pager").hidden = false;
  show();
})();
