/** Every run that used one Snapshot, page by page. */

import { ask, question } from "./api.js";
import { Fragment, h, useEffect, useRef, useState } from "./elements.js";
import { Badge, Button, FailureNote, Loading, RunLink, sentence, Table, Time } from "./parts.js";

const START = { pages: [], failure: null, loading: true };

/** @param {{snapshot: string}} props with the Snapshot as its key: the pages of one are never added to another's */
export function RunsOn({ snapshot }) {
  const [state, setState] = useState(START);
  const shown = useRef(null);
  const load = (after) => {
    const { signal } = shown.current;
    setState((before) => ({ ...before, failure: null, loading: true }));
    ask(question(["snapshots", snapshot, "runs"], { after }), signal).then(
      (page) => signal.aborted || setState((before) => ({ ...START, pages: [...before.pages, page], loading: false })),
      (failure) => signal.aborted || setState((before) => ({ ...before, failure, loading: false })),
    );
  };
  useEffect(() => {
    shown.current = new AbortController();
    setState(START);
    load(null);
    return () => shown.current.abort();
  }, [snapshot]);
  const next = state.pages.at(-1)?.next;
  return h(
    Fragment,
    null,
    state.pages.length > 0 && h(Listed, { snapshot, pages: state.pages }),
    state.failure && h(FailureNote, { failure: state.failure, again: () => load(next) }),
    state.loading && h(Loading, null, "Loading runs"),
    next && !state.loading && !state.failure && h(Button, { onClick: () => load(next) }, "Load more"),
  );
}

function Listed({ snapshot, pages }) {
  const runs = pages.flatMap((page) => page.runs);
  const elsewhere = pages.reduce((sum, page) => sum + page.elsewhere, 0);
  const shown = runs.length
    ? h(Table, { caption: `Runs on ${snapshot}`, head: ["Run", "DAG", "Since", "Why"], rows: runs.map(row) })
    : h("p", { role: "status" }, `No run that you may see is listed for ${snapshot}.`);
  return h(
    Fragment,
    null,
    shown,
    elsewhere > 0 && h("p", { className: "runpin-muted" }, `${elsewhere} more elsewhere: other installations, or whole backfills.`),
  );
}

function row(run) {
  const { dag_id: dagId, run_id: runId, epoch, at, why, confirmed } = run;
  return {
    key: `${dagId} ${runId} ${epoch}`,
    cells: [
      h(RunLink, { dagId, runId }),
      dagId,
      h(Time, { at }),
      h(Fragment, null, `${sentence(why)}. `, !confirmed && h(Badge, { tone: "warning" }, "unconfirmed")),
    ],
  };
}
