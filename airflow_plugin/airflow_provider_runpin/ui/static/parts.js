/** What several pages show in the same way. */

import { runPage } from "./api.js";
import { Fragment, h, useId, useRef, useState } from "./elements.js";

/** Return `text` as the beginning of a sentence. */
export const sentence = (text) => text.charAt(0).toUpperCase() + text.slice(1);

/** @param {{tone?: "error" | "warning" | "info" | "plain", children: unknown}} props */
export function Badge({ tone = "plain", children }) {
  return h("span", { className: `runpin-badge runpin-${tone}` }, children);
}

/** @param {{onClick: () => void, label?: string, expanded?: boolean, controls?: string, disabled?: boolean}} props */
export function Button({ onClick, label, expanded, controls, disabled, children }) {
  const more = { "aria-label": label, "aria-expanded": expanded, "aria-controls": expanded ? controls : undefined };
  return h("button", { type: "button", className: "runpin-button", onClick, disabled, ...more }, children);
}

/** A button that shows and hides what `render` returns, which is not made before it is wanted. */
export function Disclosure({ label, render }) {
  const [open, setOpen] = useState(false);
  const id = useId();
  return h(
    "div",
    { className: "runpin-disclosure" },
    h(Button, { onClick: () => setOpen(!open), expanded: open, controls: id }, label),
    open && h("div", { id, className: "runpin-panel" }, render()),
  );
}

/** The id of a Snapshot, to be copied. */
export function Snapshot({ id, digest }) {
  const text = useRef(null);
  const [copied, setCopied] = useState(false);
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(id);
      setCopied(true);
      setTimeout(() => setCopied(false), 2000);
    } catch {
      // Without HTTPS a page may not write the clipboard: leave it selected for the keyboard.
      getSelection()?.selectAllChildren(text.current);
    }
  };
  return h(
    "span",
    { className: "runpin-snapshot" },
    h("code", { ref: text, title: digest && `SHA-256 ${digest}` }, id),
    " ",
    h(Button, { onClick: copy, label: `${copied ? "Copied" : "Copy"} ${id}` }, copied ? "Copied" : "Copy"),
  );
}

/** A moment in the time zone that the reader chose in Airflow. */
export function Time({ at }) {
  const moment = new Date(at);
  return h("time", { dateTime: at, title: moment.toISOString() }, formatted(moment));
}

function formatted(moment) {
  const fields = { year: "numeric", month: "short", day: "numeric", hour: "2-digit", minute: "2-digit" };
  const format = (timeZone) =>
    new Intl.DateTimeFormat(undefined, { ...fields, second: "2-digit", timeZoneName: "short", timeZone }).format(moment);
  try {
    return format(JSON.parse(localStorage.getItem("timezone") ?? "null") ?? undefined);
  } catch {
    return format(undefined);
  }
}

/** What a Snapshot was published from. */
export function Commit({ commit }) {
  if (!commit) return "not known";
  return h(
    Fragment,
    null,
    h("code", { title: commit.sha }, commit.sha.slice(0, 12)),
    ` ${commit.message} (${commit.author}, ${commit.ref})`,
    !commit.reproducible && h(Fragment, null, " ", h(Badge, { tone: "warning" }, "from a plain folder")),
  );
}

/** A link to the page of a run. */
export function RunLink({ dagId, runId, children }) {
  return h("a", { href: runPage(dagId, runId), className: "runpin-link" }, children ?? runId);
}

/** Facts as a list of terms; rows whose value is null, false or undefined are left out. */
export function Facts({ rows }) {
  const told = rows.filter(([, value]) => value !== null && value !== undefined && value !== false);
  return h(
    "dl",
    { className: "runpin-facts" },
    told.map(([term, value]) => h("div", { key: term }, h("dt", null, term), h("dd", null, value))),
  );
}

/**
 * A table that scrolls by itself where the window is narrow, by keyboard too.
 *
 * @param {{caption: string, head: string[], rows: {key: string, cells: unknown[]}[]}} props the first cell names its row
 */
export function Table({ caption, head, rows }) {
  const cell = (value, place) => h(place ? "td" : "th", { key: place, scope: place ? undefined : "row" }, value);
  return h(
    "div",
    { className: "runpin-scroll", role: "region", "aria-label": caption, tabIndex: 0 },
    h(
      "table",
      null,
      h("caption", null, caption),
      h("thead", null, h("tr", null, head.map((text) => h("th", { key: text, scope: "col" }, text)))),
      h("tbody", null, rows.map(({ key, cells }) => h("tr", { key }, cells.map(cell)))),
    ),
  );
}

/** Waiting, said to screen readers too. */
export function Loading({ children = "Loading the configuration" }) {
  return h("p", { role: "status", className: "runpin-muted" }, `${children} …`);
}

/** Why there is no answer: what, where, and what to do. */
export function FailureNote({ failure, again }) {
  return h(
    "div",
    { role: "alert", className: "runpin-note runpin-error" },
    h("p", null, h("strong", null, `${sentence(failure.what)}.`)),
    failure.where && h("p", null, "Where: ", h("code", null, failure.where)),
    failure.fix && h("p", null, `What to do: ${failure.fix}.`),
    again && h(Button, { onClick: again }, "Try again"),
  );
}

/** Problems, the worst first, as the API has them. */
export function Problems({ problems, label }) {
  if (!problems.length) return null;
  return h(
    "ul",
    { className: "runpin-problems", "aria-label": label },
    problems.map((each, place) => h(Problem, { key: place, problem: each })),
  );
}

function Problem({ problem }) {
  const { severity, what, where, fix, since } = problem;
  return h(
    "li",
    { className: `runpin-note runpin-${severity}` },
    h("strong", null, `${sentence(severity)}: `),
    `${sentence(what)}.`,
    since && h(Fragment, null, " Since ", h(Time, { at: since }), "."),
    where && h(Fragment, null, " Where: ", h("code", null, where), "."),
    fix && ` What to do: ${fix}.`,
  );
}
