/** The page "Configuration": what is live, what happened, and which runs use what. */

import { question, useAnswer } from "./api.js";
import { Fragment, h, register, useEffect, useRef, useState } from "./elements.js";
import { History } from "./history.js";
import * as parts from "./parts.js";
import { RunsOn } from "./runs_on.js";

const { Badge, Button, Commit, FailureNote, Loading, Snapshot, Table, Time } = parts;

const HEAD = ["Application", "Channel", "Snapshot", "Moved", "Commit", "Runs", "History"];

function ConfigurationPage() {
  const { answer, failure, loading, again } = useAnswer(question(["applications"]));
  const [chosen, choose] = useState(null);
  return h(
    "div",
    { className: "runpin runpin-page", "aria-busy": loading },
    h("h1", null, "Configuration"),
    failure && h(FailureNote, { failure, again }),
    !failure && !answer && h(Loading),
    answer && h(Live, { answer, choose }),
    answer && h("p", null, h(Button, { onClick: again, disabled: loading }, "Reload")),
    chosen && h(Chosen, { key: JSON.stringify(chosen), chosen, choose }),
  );
}

function Live({ answer, choose }) {
  const { environment, tenant, applications, problems } = answer;
  const where = tenant ? `${environment}, tenant ${tenant}` : environment;
  const rows = applications.flatMap(({ application, channels }) => channels.map((each) => row(application, each, choose)));
  return h(
    Fragment,
    null,
    h(parts.Problems, { problems, label: "What is missing here" }),
    rows.length
      ? h(Table, { caption: `What new runs get in ${where}`, head: HEAD, rows })
      : h("p", null, `Nothing is published in ${where}. `, h("code", null, "runpin publish"), " publishes a repository."),
  );
}

function row(application, live, choose) {
  const { channel, snapshot, digest, revision, moved_by: by, reason } = live;
  const history = { kind: "history", application, channel };
  return {
    key: `${application} ${channel}`,
    cells: [
      application,
      `${channel}, revision ${revision}`,
      h(Fragment, null, h(Snapshot, { id: snapshot, digest }), " ", h(Badges, { live })),
      h(Fragment, null, h(Time, { at: live.moved_at }), by && ` by ${by}: ${reason}`),
      h(Commit, { commit: live.commit }),
      h(Runs, { live, choose }),
      h(Button, { onClick: () => choose(history), label: `History of ${application}, channel ${channel}` }, "History"),
    ],
  };
}

function Badges({ live }) {
  return h(
    Fragment,
    null,
    live.quarantined && h(Badge, { tone: "error" }, "quarantined"),
    live.stale && h(Badge, { tone: "warning" }, `seen ${Math.round(live.age_seconds)} s ago`),
  );
}

function Runs({ live, choose }) {
  if (!live.pins) return "not known";
  const count = `${live.pins.count}${live.pins.more ? "+" : ""} runs`;
  const onClick = () => choose({ kind: "runs", snapshot: live.snapshot });
  return h(Button, { onClick, label: `${count} on ${live.snapshot}` }, count);
}

/** What was chosen, below the table; its heading takes the focus, so that the keyboard goes on there. */
function Chosen({ chosen, choose }) {
  const heading = useRef(null);
  useEffect(() => heading.current?.focus(), []);
  const { kind, application, channel, snapshot } = chosen;
  const title = kind === "runs" ? `Runs on ${snapshot}` : `History of ${application}, channel ${channel}`;
  return h(
    "section",
    { className: "runpin-card", "aria-label": title },
    h("h2", { ref: heading, tabIndex: -1 }, title),
    kind === "runs" ? h(RunsOn, { key: snapshot, snapshot }) : h(History, { application, channel, choose }),
    h("p", null, h(Button, { onClick: () => choose(null) }, "Close")),
  );
}

register("Configuration", ConfigurationPage);
