/** What differs between two Snapshots, value by value. */

import { question, useAnswer } from "./api.js";
import { Fragment, h } from "./elements.js";
import { Badge, FailureNote, Loading, Table } from "./parts.js";

const ROLES = { run: "this run", live: "live", previous: "the previous run", named: "the named Snapshot" };
const TONES = { added: "info", changed: "warning", removed: "error" };

/** @param {{dagId: string, runId: string, application: string, against: "live" | "previous"}} props */
export function Diff({ dagId, runId, application, against }) {
  const url = question(["dags", dagId, "diff"], { run_id: runId, application, against });
  const { answer, failure, again } = useAnswer(url);
  if (failure) return h(FailureNote, { failure, again });
  if (!answer) return h(Loading, null, "Comparing");
  return h(Compared, { diff: answer });
}

function Compared({ diff }) {
  const { before, after, changes, total } = diff;
  const sides = `${before.snapshot} (${ROLES[before.role]}) and ${after.snapshot} (${ROLES[after.role]})`;
  if (!total) return h("p", { role: "status" }, `Every value is the same in ${sides}.`);
  return h(
    Fragment,
    null,
    h(Table, {
      caption: `What differs between ${sides}`,
      head: ["Document", "Pointer", "Change", `Before: ${ROLES[before.role]}`, `After: ${ROLES[after.role]}`],
      rows: changes.map((each) => row(each, before, after)),
    }),
    total > changes.length && h("p", null, `The first ${changes.length} of ${total} changes are shown.`),
    [before, after].map((side) => h(MissingLines, { key: side.role, side })),
  );
}

function row(change, before, after) {
  const { document, pointer, kind } = change;
  return {
    key: `${document} ${pointer}`,
    cells: [
      document,
      h("code", null, pointer || "the whole document"),
      h(Badge, { tone: TONES[kind] }, kind),
      h(Value, { value: change.before, origin: change.before_origin, side: before }),
      h(Value, { value: change.after, origin: change.after_origin, side: after }),
    ],
  };
}

function Value({ value, origin, side }) {
  if (!value) return h("span", { className: "runpin-muted" }, "not there");
  return h(
    Fragment,
    null,
    h("code", { className: "runpin-value" }, value.json_text),
    value.cut && h("div", { className: "runpin-muted" }, `cut; ${value.length} characters in all`),
    origin && h(Origin, { origin, commit: side.commit }),
  );
}

function Origin({ origin, commit }) {
  const at = commit && h(Fragment, null, " at ", h("code", { title: commit.message }, commit.sha.slice(0, 12)));
  return h("div", { className: "runpin-muted" }, `${origin.file}:${origin.line}`, at);
}

function MissingLines({ side }) {
  if (!side.lines_missing) return null;
  const text = `Files and lines of ${side.snapshot} are not known: ${side.lines_missing}.`;
  return h("p", { className: "runpin-muted" }, text);
}
