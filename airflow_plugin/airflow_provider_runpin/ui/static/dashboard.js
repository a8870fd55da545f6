/** A strip on Airflow's dashboard, only where something is wrong. */

import { question, useAnswer } from "./api.js";
import { h, register, useEffect, useId } from "./elements.js";
import { Problems } from "./parts.js";

const EVERY = 60_000;
// Who may not see it is not bothered, and that Airflow is away Airflow says itself.
const SILENT = [0, 401, 403];

function ConfigurationProblems() {
  const { answer, failure, again } = useAnswer(question(["problems"]));
  const heading = useId();
  useEffect(() => {
    const timer = setInterval(() => document.visibilityState === "visible" && again(), EVERY);
    return () => clearInterval(timer);
  }, [again]);
  const problems = failure ? unanswered(failure) : (answer?.problems ?? []);
  if (!problems.length) return null;
  return h(
    "section",
    { className: "runpin runpin-strip", "aria-labelledby": heading },
    h("h2", { id: heading }, "Configuration"),
    h(Problems, { problems, label: "Problems of the configuration" }),
  );
}

function unanswered(failure) {
  return SILENT.includes(failure.status) ? [] : [{ severity: "warning", ...failure }];
}

register("Configuration problems", ConfigurationProblems);
