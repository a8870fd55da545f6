/** The questions to the API, and the addresses of Airflow's own pages; all below the base URL, whatever prefix it has. */

import { useCallback, useEffect, useState } from "./elements.js";

// This file is <base>/runpin/static/<version>/api.js.
const RUNPIN = new URL("../../", import.meta.url);
const AIRFLOW = new URL("../", RUNPIN);

const FIXES = {
  401: "log in again, then reload this page",
  403: "ask an administrator of Airflow for the right to read this DAG and its runs",
};

/**
 * Why there is no answer; `ErrorAnswer` of the API, or what the browser says.
 *
 * @typedef {{status: number, what: string, where?: string | null, fix?: string | null}} Failure
 */

/**
 * Return the address of a question.
 *
 * @param {string[]} path segments below `runpin/api`, not yet encoded
 * @param {Record<string, string | null | undefined>} [query] what is null is left out
 */
export function question(path, query = {}) {
  const url = new URL(`api/${path.map(encodeURIComponent).join("/")}`, RUNPIN);
  for (const [name, value] of Object.entries(query)) {
    if (value !== null && value !== undefined) url.searchParams.set(name, value);
  }
  return url.href;
}

/** Return the address of a run's page. */
export function runPage(dagId, runId) {
  return new URL(`dags/${encodeURIComponent(dagId)}/runs/${encodeURIComponent(runId)}`, AIRFLOW).href;
}

/**
 * Ask, and return the answer.
 *
 * @param {string} url from `question`
 * @param {AbortSignal} [signal]
 * @throws {Failure}
 */
export async function ask(url, signal) {
  let response;
  try {
    response = await fetch(url, { signal, headers: { Accept: "application/json" }, credentials: "same-origin" });
  } catch {
    throw { status: 0, what: "the API server does not answer", fix: "reload when it is back" };
  }
  let body = null;
  try {
    body = await response.json();
  } catch {
    // A proxy in front of the API server answers in HTML.
  }
  if (response.ok && body) return body;
  throw {
    status: response.status,
    what: body?.what ?? `the API server answered ${response.status}`,
    where: body?.where,
    fix: body?.fix ?? FIXES[response.status],
  };
}

/**
 * Ask when the component is shown, and whenever the question changes.
 *
 * @param {string} url from `question`
 * @returns {{answer: any, failure: Failure | null, loading: boolean, again: () => void}} the last answer stays while
 *   the same question is asked again
 */
export function useAnswer(url) {
  const [state, setState] = useState({ url, answer: null, failure: null, loading: true });
  const [attempt, setAttempt] = useState(0);
  const again = useCallback(() => setAttempt((number) => number + 1), []);
  useEffect(() => {
    const stop = new AbortController();
    const settle = (more) => {
      if (!stop.signal.aborted) setState({ url, answer: null, failure: null, loading: false, ...more });
    };
    setState((before) => ({ ...(before.url === url ? before : { url, answer: null, failure: null }), loading: true }));
    ask(url, stop.signal).then(
      (answer) => settle({ answer }),
      (failure) => settle({ failure }),
    );
    return () => stop.abort();
  }, [url, attempt]);
  const current = state.url === url ? state : { answer: null, failure: null, loading: true };
  return { ...current, again };
}
