"use strict";
// The table of devices: found, sorted and shown a page at a time, so that ten thousand rows cost what a hundred do.
(() => {
  const data = document.getElementById("rows");
  if (!data) return;
  const rows = JSON.parse(data.textContent);
  const PAGE = 100;
  const the = (id) => document.getElementById(id);
  const [search, outcome, shown, pager, pageOf] = ["search", "outcome", "shown", "pager", "page"].map(the);
  const [first, back, on, last] = ["first", "back", "on", "last"].map(the);
  const table = the("devices");
  const body = table.tBodies[0];
  const heads = [...table.tHead.rows[0].cells];
  const kinds = heads.map((head) => head.dataset.kind);
  const looks = heads.map((head) => head.className);
  const OUTCOME = kinds.indexOf("outcome");
  // What is searched, once for each row and not at each key that is pressed.
  const words = rows.map((row) => row.join("\n").toLowerCase());
  const order = new Intl.Collator("en", { numeric: true });
  const number = (value) => value.toLocaleString("en");
  let sorted = null;
  let found = rows.map((_, index) => index);
  let page = 0;

  // Empty cells come last, up and down: whoever sorts by error wants to see errors.
  const comparing = ({ column, up }) => {
    const sign = up ? 1 : -1;
    const compare = kinds[column] === "number" ? (a, b) => a - b : order.compare;
    return (a, b) => {
      const [x, y] = [rows[a][column], rows[b][column]];
      if (x === "" || y === "") return (x === "") - (y === "") || a - b;
      return sign * compare(x, y) || a - b;
    };
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
    if (sorted) found.sort(comparing(sorted));
    page = 0;
    show();
  };

  const line = (index) => {
    const element = document.createElement("tr");
    rows[index].forEach((value, column) => {
      const cell = document.createElement("td");
      cell.className = looks[column];
      cell.textContent = value;  // as text: nothing in a row is ever markup
      element.append(cell);
    });
    return element;
  };

  const show = () => {
    const pages = Math.max(1, Math.ceil(found.length / PAGE));
    page = Math.min(Math.max(page, 0), pages - 1);
    const begin = page * PAGE;
    const end = Math.min(begin + PAGE, found.length);
    body.replaceChildren(...found.slice(begin, end).map(line));
    const of = found.length === rows.length ? "" : ` of ${number(rows.length)}`;
    const span = pages > 1 ? `, ${number(begin + 1)} to ${number(end)} shown` : "";
    shown.textContent = `${number(found.length)}${of} ${rows.length === 1 ? "device" : "devices"}${span}`;
    pageOf.textContent = `Page ${number(page + 1)} of ${number(pages)}`;
    pager.hidden = pages === 1;
    first.disabled = back.disabled = page === 0;
    on.disabled = last.disabled = page === pages - 1;
  };

  const turn = (button, to) => button.addEventListener("click", () => {
    page = to();
    show();
    // A button that has just become useless gives the keyboard to its neighbour.
    if (button.disabled) (page === 0 ? on : back).focus();
  });
  turn(first, () => 0);
  turn(back, () => page - 1);
  turn(on, () => page + 1);
  turn(last, () => Infinity);

  heads.forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = head.textContent;
    head.replaceChildren(button);
    button.addEventListener("click", () => {
      sorted = { column, up: !(sorted && sorted.column === column && sorted.up) };
      for (const other of heads) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", sorted.up ? "ascending" : "descending");
      find();
    });
  });

  search.addEventListener("input", find);
  outcome.addEventListener("change", find);
  for (const button of document.querySelectorAll("[data-search]")) {
    button.parentElement.hidden = false;
    button.addEventListener("click", () => {
      search.value = button.dataset.search;
      outcome.value = button.dataset.outcome;
      find();
      search.focus();
    });
  }
  the("tools").hidden = false;
  the("cut")?.remove();
  find();  // a browser may have kept what was searched for when the page was opened again
})();
