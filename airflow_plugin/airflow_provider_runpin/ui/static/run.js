/** The tab "Config" on the pages of a DAG run and of a task instance. */

import { question, useAnswer } from "./api.js";
import { Diff } from "./diff.js";
import { Fragment, h, register, useId } from "./elements.js";
import * as parts from "./parts.js";
import { RunsOn } from "./runs_on.js";

const { Badge, Button, Commit, Disclosure, Facts, RunLink, Snapshot, Time, sentence } = parts;

const ASKERS = {
  channel: "the run itself",
  proposal: "the scheduler",
  parent: "another run",
  override: "an operator",
  safe_point: "a safe point in the run",
};

/** @param {{dagId: string, runId: string}} props what Airflow gives to every plugin's component */
function ConfigTab({ dagId, runId }) {
  const { answer, failure, loading, again } = useAnswer(question(["dags", dagId, "run"], { run_id: runId }));
  const shown = answer && h(Told, { key: `${dagId} ${runId}`, run: answer });
  return h(
    "div",
    { className: "runpin", "aria-busy": loading },
    failure && h(parts.FailureNote, { failure, again }),
    !failure && !answer && h(parts.Loading),
    shown,
    answer && h("p", null, h(Button, { onClick: again, disabled: loading }, "Reload")),
  );
}

function Told({ run }) {
  return h(
    Fragment,
    null,
    h(parts.Problems, { problems: run.problems, label: "What is missing here" }),
    run.applications.length === 0 && h(Empty),
    run.applications.map((each) => h(Application, { key: scope(run, each), run, application: each })),
    run.parents.length > 0 && h(Parents, { parents: run.parents }),
  );
}

/** Return whose configuration it is; the environment goes without saying where it is that of all these pages. */
function scope(run, { application, environment, tenant }) {
  const elsewhere = environment !== run.environment && `environment ${environment}`;
  return [application, elsewhere, tenant && `tenant ${tenant}`].filter(Boolean).join(", ");
}

function Empty() {
  return h(
    "section",
    { className: "runpin-card" },
    h("h2", null, "This run has read no configuration"),
    h(
      "p",
      null,
      "Read it in a task with ",
      h("code", null, 'get_config("<application>/<document>")'),
      ", or give the DAG the tag ",
      h("code", null, "config:<application>"),
      ", and a version is written into each run when it starts.",
    ),
  );
}

function Application({ run, application }) {
  const { epochs, proposed } = application;
  const heading = useId();
  const pin = epochs[0];
  const here = application.environment === run.environment && application.tenant === run.tenant;
  const runsOn = () => h(RunsOn, { key: pin.snapshot, snapshot: pin.snapshot });
  return h(
    "section",
    { className: "runpin-card", "aria-labelledby": heading },
    h("h2", { id: heading }, scope(run, application)),
    pin ? h(Pinned, { run, application, pin }) : h(Unread, { proposed }),
    h(Wanted, { override: application.override }),
    epochs.length > 1 && h(Epochs, { epochs }),
    pin && here && h(Comparisons, { run, application }),
    pin && here && h(Disclosure, { label: "All runs on this version", render: runsOn }),
    pin && !here && h("p", { className: "runpin-muted" }, "It is of another environment or tenant, and not compared here."),
  );
}

function Unread({ proposed }) {
  return h(
    Fragment,
    null,
    h("p", null, "This run has not read it yet."),
    proposed && h(Facts, { rows: [["Proposed", h(Snapshot, { id: proposed })]] }),
  );
}

function Pinned({ run, application, pin }) {
  return h(
    Fragment,
    null,
    h("p", null, h(Snapshot, { id: pin.snapshot, digest: pin.digest }), " ", h(Badges, { application, pin })),
    h(Facts, {
      rows: [
        ["Channel", pin.revision === null ? pin.channel : `${pin.channel}, revision ${pin.revision}`],
        ["Asked for by", `${ASKERS[pin.asked]}: ${pin.why}.`],
        ["Decided", h(Time, { at: pin.at })],
        ["Commit", h(Commit, { commit: pin.commit })],
        ["Live", h(Live, { live: application.live })],
        ["Previous run", h(Previous, { dagId: run.dag_id, previous: application.previous })],
      ],
    }),
  );
}

function Badges({ application, pin }) {
  return h(
    Fragment,
    null,
    pin.quarantined && h(Badge, { tone: "error" }, "quarantined"),
    !pin.confirmed && h(Badge, { tone: "warning" }, "unconfirmed"),
    application.differs_from_live && h(Badge, { tone: "info" }, "differs from live"),
  );
}

function Live({ live }) {
  if (!live) return "not known";
  const by = live.moved_by ? ` by ${live.moved_by}: ${live.reason}` : "";
  return h(
    Fragment,
    null,
    h("code", null, live.snapshot),
    ` at revision ${live.revision}, moved there `,
    h(Time, { at: live.moved_at }),
    `${by} `,
    live.quarantined && h(Badge, { tone: "error" }, "quarantined"),
    live.stale && h(Badge, { tone: "warning" }, `seen ${Math.round(live.age_seconds)} s ago`),
  );
}

function Previous({ dagId, previous }) {
  if (!previous) return "none";
  const snapshot = previous.snapshot ? h("code", null, previous.snapshot) : "no configuration of this application";
  return h(Fragment, null, h(RunLink, { dagId, runId: previous.run_id }), " with ", snapshot);
}

function Wanted({ override }) {
  if (!override) return null;
  const until = override.kind === "once" ? "for one rerun" : "until another override is recorded";
  return h(
    "p",
    { className: "runpin-note runpin-info" },
    h("strong", null, "Override: "),
    `${override.actor} ${override.outcome ? "wanted" : "wants"} `,
    h("code", null, override.snapshot),
    ` ${until}: ${override.reason}. `,
    h(Time, { at: override.at }),
    override.outcome ? `. ${sentence(override.outcome)}.` : ". It waits for the next clear or safe point.",
  );
}

function Epochs({ epochs }) {
  return h(
    Fragment,
    null,
    h("h3", null, "Versions that this run has used"),
    h(
      "ol",
      { className: "runpin-epochs" },
      [...epochs].reverse().map((each) =>
        h(
          "li",
          { key: each.epoch },
          each.epoch ? "Switched at " : "Started at ",
          h(Time, { at: each.at }),
          each.epoch ? " to " : " with ",
          h("code", null, each.snapshot),
          `: ${each.why}. `,
          each.quarantined && h(Badge, { tone: "error" }, "quarantined"),
        ),
      ),
    ),
  );
}

function Comparisons({ run, application }) {
  const { application: name, epochs, live, differs_from_live: fromLive, previous } = application;
  // With both ids as its key, an open diff is made anew when one of them is another one after a reload.
  const diff = (against, other) => () =>
    h(Diff, { key: `${epochs[0].snapshot} ${other}`, dagId: run.dag_id, runId: run.run_id, application: name, against });
  return h(
    Fragment,
    null,
    fromLive === false && h("p", null, "This run uses what is live."),
    fromLive && h(Disclosure, { label: "Diff to live", render: diff("live", live.snapshot) }),
    previous?.differs === false && h("p", null, "The previous run used the same version."),
    previous?.differs && h(Disclosure, { label: "Diff to the previous run", render: diff("previous", previous.snapshot) }),
  );
}

function Parents({ parents }) {
  const heading = useId();
  return h(
    "section",
    { className: "runpin-card", "aria-labelledby": heading },
    h("h2", { id: heading }, "Runs that this one follows from"),
    h(
      "ul",
      { className: "runpin-parents" },
      parents.map((each) =>
        h(
          "li",
          { key: `${each.kind} ${each.dag_id} ${each.run_id} ${each.asset}` },
          h(RunLink, { dagId: each.dag_id, runId: each.run_id }, `${each.dag_id} ${each.run_id}`),
          each.kind === "asset" ? ` produced ${each.asset}, with ` : " started this run, with ",
          each.snapshots.length === 0 && "no configuration",
          each.snapshots.map((one) => h("code", { key: one.snapshot }, one.snapshot, " ")),
        ),
      ),
    ),
  );
}

register("Config", ConfigTab);
