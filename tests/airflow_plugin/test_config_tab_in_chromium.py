"""The Config tab in a real Airflow and a real Chromium: what people see of a run's configuration, and what they do."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, Route, expect

from airflow_provider_runpin.ui.files import static_version
from pinned_airflow import PinnedAirflow
from runpin.canonical import canonical, snapshot_of
from runpin.model import STABLE, Commit, Scope, SnapshotId, digest_of

pytestmark = [pytest.mark.engine, pytest.mark.browser, pytest.mark.timeout(600)]

SAMPLES = Path(__file__).parent / "ui_samples"
SCOPE = Scope("seen", "prod")
DAG, RUN = "seen_in_tab", "odd:1+1~a"
SLOWLY = 60_000
"""Milliseconds a busy machine may take for a page of Airflow."""

HOSTILE = "</script><img src=x onerror='window.hostile=1'><script>window.hostile=1</script>"
COMMIT = Commit("d" * 40, "test", "main", f"Eve {HOSTILE}", HOSTILE, datetime(2026, 1, 1, tzinfo=UTC))

DAGS = f"""
from airflow.sdk import dag, task

from airflow_provider_runpin import get_config


@task
def read():
    return get_config("seen/etl")["number"]


@dag(schedule=None, tags=["config:seen"])
def {DAG}():
    read()


{DAG}()
"""

UNNAMED = """root => [...root.querySelectorAll("button, a[href], [role=region]")]
    .filter(each => !(each.getAttribute("aria-label") ?? each.textContent).trim()).map(each => each.outerHTML)"""
HEADLESS = """root => [...root.querySelectorAll("table")].filter(each => !each.caption
    || ![...each.querySelectorAll("th")].length || [...each.querySelectorAll("th")].some(head => !head.scope)).length"""
WORDS = """button => { words = []; new MutationObserver(() => words.push(button.textContent))
    .observe(button, {subtree: true, childList: true, characterData: true}); }"""
LEVELS = "root => [...root.querySelectorAll('h1, h2, h3')].map(each => Number(each.tagName[1]))"
CONTRASTS = """root => {
    const paint = document.createElement("canvas").getContext("2d", {willReadFrequently: true});
    const layers = colours => {
        paint.clearRect(0, 0, 1, 1);
        for (const colour of colours) { paint.fillStyle = colour; paint.fillRect(0, 0, 1, 1); }
        const part = value => (value /= 255) <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
        const [red, green, blue] = paint.getImageData(0, 0, 1, 1).data;
        return 0.2126 * part(red) + 0.7152 * part(green) + 0.0722 * part(blue);
    };
    const behind = node => node ? [...behind(node.parentElement), getComputedStyle(node).backgroundColor] : ["white"];
    const weak = [];
    const texts = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
    while (texts.nextNode()) {
        const node = texts.currentNode.parentElement, ground = behind(node);
        const pair = [layers(ground), layers([...ground, getComputedStyle(node).color])].sort((a, b) => b - a);
        const ratio = (pair[0] + 0.05) / (pair[1] + 0.05);
        if (ratio < 4.5) weak.push([texts.currentNode.data, ratio]);
    }
    return weak;
}"""


@pytest.fixture(scope="module")
def versions(pinned_airflow: PinnedAirflow) -> list[SnapshotId]:
    """Run on one version, whose values mean harm, and publish another one."""
    first = publish(pinned_airflow, {"number": 1, "text": HOSTILE})
    (pinned_airflow.engine.dags / "seen.py").write_text(DAGS)
    pinned_airflow.api.unpause(DAG)
    pinned_airflow.start(DAG, RUN)
    pinned_airflow.finish(DAG, RUN)
    return [first, publish(pinned_airflow, {"number": 2, "text": f"{HOSTILE}!"})]


def publish(airflow: PinnedAirflow, document: dict[str, object]) -> SnapshotId:
    """Publish one document, and let the channel point at it."""
    store, body = airflow.core.store, canonical(document)
    store.put_objects({digest_of(body): body})
    snapshot = store.commit(snapshot_of(SCOPE, {"etl": digest_of(body)}), COMMIT, "ada").id
    revision = snapshot.sequence - 1
    store.move(SCOPE, STABLE, snapshot, expected_revision=revision, actor="ada", reason=f"because {HOSTILE}")
    return snapshot


def tab(page: Page, airflow: PinnedAirflow, below: str = "", *, prefix: str = "") -> Locator:
    """Open the Config tab of the run, or of what is *below* it, by its link, and return what it shows."""
    page.goto(f"{airflow.engine.url}{prefix}/dags/{DAG}/runs/{RUN}{below}")
    page.get_by_role("link", name="Config", exact=True).click(timeout=SLOWLY)
    shown = page.locator(".runpin")
    expect(shown.get_by_role("heading").first).to_be_visible(timeout=SLOWLY)
    return shown


def sample_of(name: str) -> dict[str, Any]:
    """Return what the API might answer."""
    found: dict[str, Any] = json.loads((SAMPLES / f"{name}.json").read_text())
    return found


def answer(page: Page, part: str, sample: str, status: int = 200, **more: Any) -> list[str]:
    """Let the API answer what has *part* in its address with a sample; return a list that grows by what was asked."""
    asked: list[str] = []
    body = sample_of(sample) | more

    def fulfil(route: Route) -> None:
        asked.append(route.request.url)
        route.fulfill(status=status, json=body)

    page.route(re.compile(rf"/runpin/api/.*{part}"), fulfil)
    return asked


def is_accessible(shown: Locator) -> None:
    """Check what a screen reader, a keyboard and weak eyes need."""
    assert shown.evaluate(UNNAMED) == []
    assert shown.evaluate(HEADLESS) == 0
    levels = shown.evaluate(LEVELS)
    assert all(after - before <= 1 for before, after in pairwise(levels)), levels
    assert shown.evaluate(CONTRASTS) == []


def test_a_run_shows_its_pin_and_what_is_live_now(
    pinned_airflow: PinnedAirflow, versions: list[SnapshotId], browser_page: Page, foreign_requests: list[str]
) -> None:
    """Also on the page of its task; the diff and the list of runs open by keyboard, and hostile text stays text."""
    first, second = map(str, versions)
    shown = tab(browser_page, pinned_airflow, "/tasks/read")
    expect(shown).to_contain_text(first)
    shown = tab(browser_page, pinned_airflow)
    expect(shown.get_by_role("heading", name="seen")).to_be_visible()
    expect(shown).to_contain_text("Asked for by")
    expect(shown).to_contain_text("differs from live")
    expect(shown).to_contain_text(f"{HOSTILE} (Eve {HOSTILE}, main)")

    button = shown.get_by_role("button", name="Diff to live")
    button.focus()
    browser_page.keyboard.press("Enter")
    expect(button).to_have_attribute("aria-expanded", "true")
    table = shown.get_by_role("table")
    expect(table.get_by_role("row")).to_have_count(3, timeout=SLOWLY)
    expect(table.get_by_role("caption")).to_contain_text(f"{first} (this run) and {second} (live)")
    expect(table).to_contain_text(json.dumps(HOSTILE))
    browser_page.keyboard.press("Enter")
    expect(table).to_have_count(0)

    browser_page.keyboard.press("Tab")
    browser_page.keyboard.press("Enter")
    link = shown.get_by_role("table").get_by_role("link", name=RUN)
    link.click(timeout=SLOWLY)
    browser_page.wait_for_url(re.compile(rf"/dags/{DAG}/runs/odd(:|%3A)1(\+|%2B)1~a"), timeout=SLOWLY)
    assert browser_page.evaluate("window.hostile") is None
    assert foreign_requests == []


def test_everything_that_can_be_said_of_a_run_is_said(
    pinned_airflow: PinnedAirflow, versions: list[SnapshotId], browser_page: Page
) -> None:
    """Two applications, a switch, an Override, parents, origins; readable in the light, in the dark, and narrow."""
    assert versions
    answer(browser_page, "/run\\?", "run")
    answer(browser_page, "/diff\\?", "diff")
    asked = answer(browser_page, "/runs", "snapshot_runs")
    shown = tab(browser_page, pinned_airflow)
    for text in ("Switched at", "quarantined", "unconfirmed", "differs from live", "Override: grace wants"):
        expect(shown).to_contain_text(text)
    expect(shown).to_contain_text("<b>needs</b>")
    expect(shown.get_by_role("link", name="ingest manual__2026-11-28T06:58:00+00:00")).to_be_visible()

    shown.get_by_role("button", name="Diff to live").click()
    expect(shown).to_contain_text("environments/prod/payments/etl.yaml:3 at 1f2e3d4c5b6a")
    shown.get_by_role("button", name="All runs on this version").first.click()
    odd = shown.get_by_role("table").last.get_by_role("link", name="Übung/1+2:3")
    expect(odd).to_have_attribute("href", re.compile(r"/dags/payments_etl/runs/%C3%9Cbung%2F1%2B2%3A3$"))
    shown.get_by_role("button", name="Load more").click()
    expect(odd).to_have_count(2)
    assert [each.partition("?")[2] for each in asked] == ["", "after=WyIyMDI2LTExLTI4Il0%3D"]
    is_accessible(shown)

    light = shown.evaluate("each => getComputedStyle(each).color")
    browser_page.evaluate("document.documentElement.classList.replace('light', 'dark')")
    assert light != shown.evaluate("each => getComputedStyle(each).color")
    is_accessible(shown)
    browser_page.set_viewport_size({"width": 480, "height": 800})
    assert shown.evaluate("each => each.scrollWidth <= each.clientWidth")


def test_a_reload_shows_nothing_of_what_was_before(
    pinned_airflow: PinnedAirflow, versions: list[SnapshotId], browser_page: Page
) -> None:
    """What is open is asked anew when live or the run moves, also what comes late; two tenants have a card each."""
    assert versions
    page, (payments, _) = browser_page, sample_of("run")["applications"]
    late: list[Route] = []
    answer(page, "/run\\?", "run")
    answer(page, "/diff\\?", "diff")
    answer(page, "/runs", "snapshot_runs")
    page.route(re.compile(r"/payments\.prod\.v42\..*/runs\?after="), lambda route, _: late.append(route))
    shown = tab(page, pinned_airflow)
    reload, more = (shown.get_by_role("button", name=name) for name in ("Reload", "Load more"))
    with page.expect_request(re.compile("/diff\\?"), timeout=SLOWLY):
        shown.get_by_role("button", name="Diff to live").click()
    shown.get_by_role("button", name="All runs on this version").first.click()
    with page.expect_request(re.compile("after="), timeout=SLOWLY):
        more.click()

    moved = payments | {"live": payments["live"] | {"snapshot": "payments.prod.v44.444444444444"}}
    answer(page, "/run\\?", "run", applications=[moved])
    with page.expect_request(re.compile("/diff\\?"), timeout=SLOWLY):
        reload.click()

    switched = moved | {"epochs": [payments["epochs"][0] | {"snapshot": "payments.prod.v45.555555555555"}]}
    answer(page, "/run\\?", "run", applications=[switched])
    reload.click()
    expect(shown.get_by_role("caption").last).to_have_text("Runs on payments.prod.v45.555555555555", timeout=SLOWLY)
    late[0].fulfill(json=sample_of("snapshot_runs"))
    with page.expect_response(re.compile(r"\.v45\..*after="), timeout=SLOWLY):
        more.click()
    expect(shown.get_by_role("table").last.get_by_role("link", name="Übung/1+2:3")).to_have_count(2)

    answer(page, "/run\\?", "run", applications=[payments, payments | {"tenant": "acme"}])
    reload.click()
    expect(shown.get_by_role("heading", name="payments, tenant acme")).to_be_visible(timeout=SLOWLY)
    expect(shown.get_by_role("button", name="Diff to live")).to_have_count(1)
    answer(page, "/run\\?", "run", applications=[payments | {"tenant": "acme"}])
    reload.click()
    expect(shown.get_by_role("table")).to_have_count(0, timeout=SLOWLY)
    expect(shown).to_contain_text("not compared here")


def test_the_id_of_a_snapshot_is_copied(
    pinned_airflow: PinnedAirflow, versions: list[SnapshotId], browser_page: Page
) -> None:
    """By a click, and where a page may not write the clipboard it is selected, so that the keyboard copies it."""
    page, used = browser_page, str(versions[0])
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    copy = tab(page, pinned_airflow).get_by_role("button", name=re.compile(f"^(Copy|Copied) {used}"))
    # It says so for two seconds, in which a busy machine may not look.
    copy.evaluate(WORDS)
    copy.click()
    page.wait_for_function("words.includes('Copied')")
    assert page.evaluate("navigator.clipboard.readText()") == used

    page.evaluate("navigator.clipboard.writeText('')")
    page.evaluate("held = navigator.clipboard; Object.defineProperty(navigator, 'clipboard', {value: undefined})")
    expect(copy).to_have_text("Copy", timeout=SLOWLY)
    copy.click()
    assert page.evaluate("getSelection().toString()") == used
    page.keyboard.press("Control+C")
    assert page.evaluate("held.readText()") == used
    expect(copy).to_have_text("Copy")


def test_nothing_and_errors_say_what_to_do(
    pinned_airflow: PinnedAirflow, versions: list[SnapshotId], browser_page: Page
) -> None:
    """A run without configuration, a store that is away, nobody logged in, no right: each says what to do."""
    assert versions
    answer(browser_page, "/run\\?", "run_empty")
    shown = tab(browser_page, pinned_airflow)
    expect(shown.get_by_role("heading", name="This run has read no configuration")).to_be_visible()
    for status, more, fix in (
        (503, {}, "`runpin doctor` says what is away"),
        (401, {"what": "Not authenticated", "where": None, "fix": None}, "log in again"),
        (403, {"what": "Forbidden", "where": None, "fix": None}, "ask an administrator"),
    ):
        answer(browser_page, "/run\\?", "error", status, **more)
        shown.get_by_role("button", name=re.compile("Reload|Try again")).click()
        expect(shown.get_by_role("alert")).to_contain_text(fix)
        is_accessible(shown)
    answer(browser_page, "/run\\?", "run_without_pins")
    shown.get_by_role("button", name="Try again").click()
    expect(shown).to_contain_text("This run has not read it yet.")


def test_the_page_of_all_applications(
    pinned_airflow: PinnedAirflow, versions: list[SnapshotId], browser_page: Page
) -> None:
    """What is live, what happened to it, and which runs use it; a choice takes the keyboard along."""
    first, second = map(str, versions)
    browser_page.goto(f"{pinned_airflow.engine.url}/plugin/runpin")
    shown = browser_page.locator(".runpin")
    live = shown.get_by_role("row").filter(has=browser_page.get_by_role("rowheader", name="seen", exact=True))
    expect(live).to_contain_text(second, timeout=SLOWLY)
    live.get_by_role("button", name="History of seen, channel stable").press("Enter")
    expect(shown.get_by_role("heading", name="History of seen, channel stable")).to_be_focused()
    expect(shown.get_by_role("table").last.get_by_role("row")).to_have_count(5, timeout=SLOWLY)
    shown.get_by_role("button", name=f"Runs on {first}").first.click()
    expect(shown.get_by_role("table").last.get_by_role("link", name=RUN)).to_be_visible(timeout=SLOWLY)
    is_accessible(shown)
    assert browser_page.evaluate("window.hostile") is None


def test_the_dashboard_says_nothing_but_problems(
    pinned_airflow: PinnedAirflow, versions: list[SnapshotId], browser_page: Page
) -> None:
    """There is no strip while all is well, and one that says who went back and why after a rollback."""
    asked = answer(browser_page, "problems", "problems_none")
    with browser_page.expect_response("**/runpin/api/problems", timeout=SLOWLY):
        browser_page.goto(f"{pinned_airflow.engine.url}/")
    expect(browser_page.locator(".runpin")).to_have_count(0)
    assert asked
    browser_page.unroute_all()

    store, (first, second) = pinned_airflow.core.store, versions
    store.move(SCOPE, STABLE, first, expected_revision=2, actor="eve", reason=HOSTILE)
    try:
        strip = browser_page.get_by_role("list", name="Problems of the configuration")
        told = strip.get_by_role("listitem").filter(has_text=f"seen.prod was rolled back by eve: {HOSTILE}")
        for _ in range(30):
            with browser_page.expect_response("**/runpin/api/problems", timeout=SLOWLY):
                browser_page.reload()
            browser_page.wait_for_timeout(1000)
            if told.count():
                break
        expect(told).to_be_visible()
        is_accessible(browser_page.locator(".runpin"))
    finally:
        store.move(SCOPE, STABLE, second, expected_revision=3, actor="ada", reason="test")
    assert browser_page.evaluate("window.hostile") is None


def test_it_works_behind_a_prefix(
    pinned_airflow: PinnedAirflow, versions: list[SnapshotId], browser_page: Page
) -> None:
    """A proxy serves Airflow below a prefix: files, questions and links have it, whatever they hold."""
    page, root, prefix = browser_page, pinned_airflow.engine.url, "/behind/a/proxy"
    asked: list[str] = []

    def forward(route: Route) -> None:
        served = route.request.url.replace(prefix, "", 1)
        if route.request.resource_type != "document":
            return route.continue_(url=served)
        told = route.fetch(url=served)
        # As the server itself writes it where it is told of the prefix.
        return route.fulfill(response=told, body=told.text().replace('<base href="/"', f'<base href="{prefix}/"'))

    # Whoever is logged in has a cookie for all of the host.
    page.goto(f"{root}/")
    expect(page.get_by_role("link", name="Dags").first).to_be_visible(timeout=SLOWLY)
    page.goto("about:blank")
    page.on("request", lambda request: asked.append(request.url))
    page.route(f"{root}{prefix}/**", forward)
    shown = tab(page, pinned_airflow, prefix=prefix)
    shown.get_by_role("button", name="Diff to live").click()
    expect(shown.get_by_role("table")).to_contain_text(str(versions[1]), timeout=SLOWLY)
    shown.get_by_role("button", name="All runs on this version").click()
    shown.get_by_role("table").last.get_by_role("link", name=RUN).click(timeout=SLOWLY)
    page.wait_for_url(re.compile(rf"{prefix}/dags/{DAG}/runs/odd(:|%3A)1(\+|%2B)1~a"), timeout=SLOWLY)
    files = f"{root}{prefix}/runpin/static/{static_version()}"
    found = page.evaluate(
        """url => import(url).then(api =>
            [api.question(["dags", "a/b", "run"], {run_id: "c&d", after: null}), api.runPage("a", "b/c?")])""",
        f"{files}/api.js",
    )

    assert found == [f"{root}{prefix}/runpin/api/dags/a%2Fb/run?run_id=c%26d", f"{root}{prefix}/dags/a/runs/b%2Fc%3F"]
    assert {f"{files}/{name}" for name in ("run.js", "config.css", "diff.js")} <= set(asked)
    assert [each for each in asked if not each.startswith((f"{root}{prefix}/", "data:"))] == []
