/** What happened to an application: publications, and moves of one channel. */

import { question, useAnswer } from "./api.js";
import { Fragment, h } from "./elements.js";
import { Badge, Button, Commit, FailureNote, Loading, Table, Time } from "./parts.js";

const TONES = { publication: "plain", move: "info", rollback: "error" };

/** @param {{application: string, channel: string, choose: (chosen: object) => void}} props */
export function History({ application, channel, choose }) {
  const { answer, failure, again } = useAnswer(question(["applications", application, "history"], { channel }));
  if (failure) return h(FailureNote, { failure, again });
  if (!answer) return h(Loading, null, "Loading the history");
  return h(Table, {
    caption: `Publications of ${application} and moves of channel ${channel}, newest first`,
    head: ["When", "What", "Snapshot", "Who", "Why", "Runs"],
    rows: answer.events.map((event, place) => ({ key: String(place), cells: cells(event, choose) })),
  });
}

function cells(event, choose) {
  const { kind, at, actor, snapshot, quarantined, commit, previous, revision, reason } = event;
  const onClick = () => choose({ kind: "runs", snapshot });
  return [
    h(Time, { at }),
    h(Badge, { tone: TONES[kind] }, revision === null ? kind : `${kind} ${revision}`),
    h(
      Fragment,
      null,
      h("code", null, snapshot),
      previous && h("div", { className: "runpin-muted" }, `from ${previous}`),
      quarantined && h(Badge, { tone: "error" }, "quarantined"),
    ),
    actor,
    kind === "publication" ? h(Commit, { commit }) : reason,
    h(Button, { onClick, label: `Runs on ${snapshot}` }, "Runs"),
  ];
}
