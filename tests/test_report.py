"""The HTML report in a real browser: what a reader, a keyboard, a printer and a hostile name make of it."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect, sync_playwright

import stage
import test_document
from readiness import document
from readiness.document import (
    AnswerPart,
    ChecklistPart,
    DrillPart,
    FindingPart,
    GrowthPart,
    MeasurementPart,
    MilestonePart,
    MovePart,
    MustHavePart,
    PlanPart,
    ProjectionPart,
    RequirementPart,
    RiskPart,
    RowPart,
    RunDocument,
    SincePart,
    TrendPart,
)
from readiness.embedded import Cluster
from readiness.model import Reason, Status
from readiness.reporting.escape import visible
from readiness.reporting.formats import render, render_any
from test_document import EVERY_KIND, HOSTILE, look, made, seen, sign

hostile, hostile_database = test_document.hostile, test_document.hostile_database  # fixtures

FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
# WCAG 2.2, levels A and AA; and what axe knows beside them as good practice.
RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("Debian's chromium is not installed")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        yield started
        started.close()


@pytest.fixture(scope="module")
def run(embedded_cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> RunDocument:
    """A run with an outcome of every kind, signed, and with every part that a document may have."""
    folder = tmp_path_factory.mktemp("report")
    sign(folder)
    sql = made(
        "schema/asked", lambda: [seen(f"public.t{n}", ok=False, remedy=f"alter table t{n} ...;") for n in range(3)]
    )
    with stage.database(embedded_cluster) as database, pytest.MonkeyPatch.context() as patch:
        found = look(folder, database.bare_dsn(), [*EVERY_KIND, sql], patch)
    return dressed(found)


def dressed(found: RunDocument) -> RunDocument:
    """With what comes of an evidence store, drills and a profile's plans."""
    waits = [float(n % 40) + n / 10 for n in range(200)]
    moves = [MovePart(check="schema/passes", before=1, after=6.5, before_exact="1", after_exact="13/2")]
    return found.model_copy(
        update={
            "notes": ["audited as the superuser postgres"],
            "trend": [
                TrendPart(
                    run=f"r{n}",
                    finished_at=NOW - timedelta(days=9 - n),
                    decision="HOLD",
                    score=20.0 + n,
                    ceiling=90,
                    comparable=n > 2,
                )
                for n in range(8)
            ],
            "since": SincePart(run="r7", finished_at=NOW - timedelta(days=2), score=27, score_exact="27", moves=moves),
            "measurements": [
                *found.measurements,
                MeasurementPart(
                    name="query_p95:feed",
                    figure="query_p95",
                    subject="feed",
                    value=43.1,
                    unit="ms",
                    samples=201,
                    lower=40.2,
                    upper=48,
                    target=50,
                    source="s",
                    waits=sorted(waits),
                ),
            ],
            "growth": [
                GrowthPart(
                    name="disk",
                    unit="GB",
                    points=[(NOW - timedelta(days=9), 1.0), (NOW, 2.5)],
                    limit=10,
                    full_at=NOW + timedelta(days=45),
                )
            ],
            "risks": [
                RiskPart(
                    id="loss",
                    title="Data loss",
                    impact="high",
                    probability="medium",
                    why="No restore.",
                    checks=["schema/fails"],
                )
            ],
            "checklist": [
                ChecklistPart(
                    phase="Foundation", title="A framework is chosen", status=Status.PASS, checks=["schema/passes"]
                )
            ],
            "milestones": [MilestonePart(title="Beta", due=date(2026, 12, 24), met=None, note="in 32 days")],
            "projection": ProjectionPart(
                note="as it goes, about 2026-12-20",
                expected=date(2026, 12, 20),
                earliest=date(2026, 12, 9),
                latest=date(2027, 2, 1),
                points=[(NOW - timedelta(days=9 - n), f"{20 + n}") for n in range(9)],
            ),
            "requirements": [
                RequirementPart(
                    table="Keys",
                    id="T1",
                    title="Primary keys",
                    priority="P0",
                    target="uuid everywhere",
                    status=Status.PARTIAL,
                    current="does not hold for 3 of 12 tables",
                    checks=["schema/fails"],
                    answers=[AnswerPart(check="schema/fails", status=Status.FAIL, evidence_kind="measured")],
                )
            ],
            "nice_to_have": [RowPart(title="Dashboards", status=Status.UNKNOWN, current="not looked at")],
            "success_metrics": [RowPart(title="Nothing lost", status=Status.PASS, current="holds for 1 comparison")],
            "drills": [
                DrillPart(
                    id="d",
                    kind="restore",
                    taken_at=NOW,
                    expires_at=NOW + timedelta(days=31),
                    passed=True,
                    evidence={"rto_seconds": 12.5},
                )
            ],
        }
    )


@pytest.fixture(scope="module")
def page_file(run: RunDocument, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page") / "report.html"
    path.write_text(render(run, "html"))
    return path


@contextmanager
def opened(browser: Browser, path: Path, fragment: str = "", **context: Any) -> Iterator[Page]:
    """The page in a context of its own; whatever it asks of the network, or complains of, fails the test."""
    told: list[str] = []
    made_here = browser.new_context(**context)
    page = made_here.new_page()
    page.set_default_timeout(8_000)
    page.on("console", lambda message: told.append(f"console: {message.text}"))
    page.on("pageerror", lambda error: told.append(f"error: {error}"))
    page.on("dialog", lambda dialog: (told.append(f"dialog: {dialog.message}"), dialog.dismiss()))
    page.on("request", lambda request: None if request.url.startswith(path.as_uri()) else told.append(request.url))
    try:
        page.goto(path.as_uri() + fragment)
        yield page
        page.wait_for_timeout(50)
        assert told == []
    finally:
        made_here.close()


def visible_checks(page: Page) -> list[str]:
    return page.eval_on_selector_all(
        "details.check", "found => found.filter(d => !d.hidden).map(d => d.querySelector('.body').id)"
    )


# -- what it says ----------------------------------------------------------------------------------------------


def test_the_page_says_what_the_document_says(browser: Browser, page_file: Path, run: RunDocument):
    with opened(browser, page_file) as page:
        assert page.title().startswith(run.verdict.decision.value)
        head = page.inner_text("header") + page.inner_text(".summary")
        v = run.verdict
        for number in (v.score, v.ceiling, v.coverage, v.attested):
            assert f"{number:.1f}" in head
        for c in run.categories:
            assert f"{c.score:.1f}" in head
            assert f"adds {c.weighted:.1f}" in head
        assert page.locator("details.check").count() == len(run.checks)
        for b in run.blockers:
            row = page.locator("section:has(#blockers) li", has_text=b.check)
            assert f"+{b.gain:.1f}" in row.first.inner_text()
        for title in (
            "Requirements",
            "Risks",
            "Checklist",
            "Milestones",
            "Drills",
            "Since the last run",
            "Waivers and attestations",
        ):
            assert page.get_by_role("heading", name=title).count() == 1, title
        assert f"{run.waivers[0].days_left}" in page.inner_text("section:has(#signed)")
        assert run.policy.sha256 in page.inner_text("footer")
        exact = page.inner_text("footer")
        assert {v.score_exact, v.ceiling_exact, v.coverage_exact} <= set(re.findall(r"[\d/]+", exact))


def test_a_check_shows_its_evidence_its_arithmetic_and_its_sql(
    browser: Browser, tmp_path: Path, embedded_cluster: Cluster
):
    """Our own checks, on a real database."""
    with stage.database(embedded_cluster) as database:
        database.run(
            "create table parents (id uuid primary key); create table kids (id uuid primary key, parent uuid references parents)"
        )
        env = stage.environment(tmp_path)
        done = stage.run("score", "-d", database.dsn(), "-o", "r.html", "--no-evidence", env=env, cwd=tmp_path)
        saved = stage.run("report", "r.html", "-f", "json", env=env, cwd=tmp_path).document
    assert done.code in (1, 3)
    (check,) = [c for c in saved["checks"] if c["id"] == "performance/fk-without-index"]
    with opened(browser, tmp_path / "r.html", "#performance/fk-without-index") as page:
        body = page.locator("[id='performance/fk-without-index']")
        told = body.inner_text()
        assert "public.kids:kids_parent_fkey" in told
        assert check["findings"][0]["remedy"] in told
        assert check["credit_exact"] in body.locator(".sum").inner_text()
        assert f"+{check['gain']:.1f}" in body.locator(".sum").inner_text()
        body.locator("details.source summary").click()
        assert check["source"].strip() in body.locator("details.source pre").inner_text()


def test_the_page_carries_its_document(page_file: Path, run: RunDocument, tmp_path: Path):
    env = stage.environment(tmp_path)
    done = stage.run("report", page_file, "-f", "json", env=env, cwd=tmp_path)
    assert (done.code, done.out) == (0, run.to_json())
    for name, text in (
        ("none", "<!doctype html><p>a page of somebody else's</p>"),
        ("cut", page_file.read_text()[:-40_000]),
        ("damaged", page_file.read_text().replace("H4sI", "H4sX", 1)),
        ("deep", page_file.read_text().replace('id="run-document">', 'id="run-document">' + "[" * 100_000)),
        ("short", page_file.read_text().replace('"checks":[{', '"checks":[{},{', 1)),
    ):
        (tmp_path / name).write_text(text)
        done = stage.run("report", name, "-f", "json", env=env, cwd=tmp_path)
        assert done.code == 2, name
        assert "is no run document" in done.err


# -- hands -----------------------------------------------------------------------------------------------------


def test_filter_and_search(browser: Browser, page_file: Path, run: RunDocument):
    with opened(browser, page_file) as page:
        assert len(visible_checks(page)) == len(run.checks)
        page.uncheck("#statuses input[value=pass]")
        assert set(visible_checks(page)) == {c.id for c in run.checks if c.status is not Status.PASS}
        page.select_option("#category", "schema")
        expected = {c.id for c in run.checks if c.status is not Status.PASS and c.category == "schema"}
        assert set(visible_checks(page)) == expected
        assert f"{len(expected)} of {len(run.checks)} checks" in page.inner_text("#count")
        page.click("#reset")
        assert len(visible_checks(page)) == len(run.checks)
        page.fill("#search", "public.t1")
        expect(page.locator("#count")).to_have_text(re.compile("^1 of"))
        assert visible_checks(page) == ["schema/asked"]
        page.click("details.check:not([hidden]) > summary")
        page.wait_for_selector(".findings li:visible")
        assert page.locator("details.check:not([hidden]) .findings li:visible").count() == 1, "the others are left out"
        page.press("#search", "Escape")
        assert len(visible_checks(page)) == len(run.checks)
        page.fill("#search", "no such word anywhere")
        expect(page.locator("#count")).to_have_text(re.compile("^0 of"))


@pytest.mark.parametrize("scripts", [True, False])
def test_a_link_to_a_check_opens_it(browser: Browser, page_file: Path, scripts: bool):
    with opened(browser, page_file, "#schema/asked", java_script_enabled=scripts) as page:
        target = page.locator("[id='schema/asked']")
        target.wait_for(state="visible", timeout=5000)
        box = target.bounding_box()
        assert box is not None
        assert 0 <= box["y"] < 720


def test_a_link_leads_out_of_a_filter(browser: Browser, page_file: Path, run: RunDocument):
    blocker = run.check(run.blockers[0].check)
    with opened(browser, page_file) as page:
        page.uncheck(f"#statuses input[value={blocker.status.value}]")
        page.click(f"section:has(#blockers) a[href='#{blocker.id}']")
        page.locator(f"[id='{blocker.id}']").wait_for(state="visible")


def test_keys(browser: Browser, page_file: Path, run: RunDocument):
    focused = "document.activeElement.closest('details.check')?.querySelector('.body').id ?? document.activeElement.id"
    with opened(browser, page_file) as page:
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.textContent") == "Skip to the checks"
        page.keyboard.press("/")
        assert page.evaluate(focused) == "search"
        page.keyboard.type("/j")
        assert page.input_value("#search") == "/j", "typing is typing"
        page.keyboard.press("Escape")
        page.evaluate("document.activeElement.blur()")
        order = visible_checks(page)
        for key, at in (("j", 0), ("j", 1), ("j", 2), ("k", 1)):
            page.keyboard.press(key)
            assert page.evaluate(focused) == order[at]
        page.keyboard.press("Enter")
        assert page.locator(f"[id='{order[1]}']").is_visible()
        page.uncheck("#keys")
        page.evaluate("document.activeElement.blur()")
        page.keyboard.press("/")
        assert page.evaluate(focused) != "search", "they are switched off"


def test_every_control_is_reached_by_tab(browser: Browser, page_file: Path):
    reach = "() => [...document.querySelectorAll('a[href], button, input, select, summary')].filter(e => e.checkVisibility()).length"
    with opened(browser, page_file) as page:
        controls, seen_here = page.evaluate(reach), set()
        for _ in range(controls + 5):
            page.keyboard.press("Tab")
            at = page.evaluate("[...document.querySelectorAll('*')].indexOf(document.activeElement)")
            seen_here.add(at)
        assert len(seen_here) >= controls


def test_copying(browser: Browser, page_file: Path):
    with opened(browser, page_file, "#schema/asked", permissions=["clipboard-read", "clipboard-write"]) as page:
        body = page.locator("[id='schema/asked']")
        body.locator(".findings button").nth(1).click()
        expect(body.locator(".findings")).to_contain_text("Copied")
        assert page.evaluate("navigator.clipboard.readText()") == "alter table t1 ...;"
        body.get_by_role("button", name="Copy all 3 statements").click()
        page.wait_for_timeout(100)
        assert page.evaluate("navigator.clipboard.readText()").splitlines() == [
            f"alter table t{n} ...;" for n in range(3)
        ]


# -- eyes ------------------------------------------------------------------------------------------------------

VIEWS: dict[str, dict[str, Any]] = {
    "light": {},
    "dark": {"color_scheme": "dark"},
    "narrow": {"viewport": {"width": 360, "height": 740}},
    "contrast": {"color_scheme": "dark", "forced_colors": "active"},
}


@pytest.mark.parametrize(
    ("what", "view"), [("run", "light"), ("run", "dark"), ("hostile", "narrow"), ("run", "contrast")]
)
def test_axe_finds_no_violation(request: pytest.FixtureRequest, browser: Browser, tmp_path: Path, what: str, view: str):
    (tmp_path / "r.html").write_text(render(request.getfixturevalue(what), "html"))
    with opened(browser, tmp_path / "r.html", **VIEWS[view]) as page:
        page.evaluate("for (const d of document.querySelectorAll('details')) d.open = true")
        page.wait_for_timeout(100)
        results = Axe().run(page, options=RULES)
        found = [(v["id"], [n["html"][:200] for n in v["nodes"]][:3]) for v in results.response["violations"]]
        assert found == []
        assert len(results.response["passes"]) > 20, "it looked"


def test_dark_is_dark(browser: Browser, page_file: Path):
    shade = "(() => { const [r, g, b] = getComputedStyle(document.body).backgroundColor.match(/\\d+/g); return +r + +g + +b })()"
    for scheme, dark in (("light", False), ("dark", True)):
        with opened(browser, page_file, color_scheme=scheme) as page:
            assert (page.evaluate(shade) < 200) == dark


@pytest.mark.parametrize("what", ["run", "hostile"])
@pytest.mark.parametrize("width", [320, 360])
def test_a_narrow_screen_scrolls_one_way(
    request: pytest.FixtureRequest, browser: Browser, tmp_path: Path, what: str, width: int
):
    (tmp_path / "r.html").write_text(render(request.getfixturevalue(what), "html"))
    with opened(browser, tmp_path / "r.html", viewport={"width": width, "height": 740}) as page:
        page.evaluate("for (const d of document.querySelectorAll('details')) d.open = true")
        wide = page.evaluate(
            "w => [...document.querySelectorAll('body *')].filter(e => e.getBoundingClientRect().right > w + 1 && "
            "!e.closest('.skip, .hidden-text, svg')).map(e => e.outerHTML.slice(0, 120)).slice(0, 3)",
            width,
        )
        assert wide == []
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_it_reads_without_scripts(browser: Browser, page_file: Path, run: RunDocument):
    with opened(browser, page_file, java_script_enabled=False) as page:
        assert page.locator(".filters").is_hidden(), "what would not work is not shown"
        assert page.locator("button:visible").count() == 0
        page.locator("summary", has_text="schema/asked").click()
        # what stands outside of the window is laid out with the next frame
        expect(page.locator("[id='schema/asked']")).to_contain_text("alter table t2", use_inner_text=True)
        text = page.inner_text("body")
        assert all(c.id in text for c in run.checks)


def test_it_prints_a_page_and_an_appendix(browser: Browser, page_file: Path, run: RunDocument, tmp_path: Path):
    with opened(browser, page_file) as page:
        page.pdf(path=tmp_path / "r.pdf", prefer_css_page_size=True)
    first, rest = pages(tmp_path / "r.pdf")
    assert run.verdict.decision.value in first
    assert f"{run.verdict.score:.1f}" in first
    assert "Services" in first
    assert "The plan to GO" not in first
    assert "The plan to GO" in rest
    assert "alter table t2" in rest, "what is folded prints too"
    assert "Unfold all" not in rest


def test_what_the_printed_summary_leaves_out_it_says(browser: Browser, run: RunDocument, tmp_path: Path):
    (tmp_path / "r.html").write_text(render(run.model_copy(update={"blockers": run.blockers[:1] * 8}), "html"))
    with opened(browser, tmp_path / "r.html") as page:
        line = page.get_by_text("and 3 more, in the appendix")
        expect(line).to_be_hidden()
        page.emulate_media(media="print")
        expect(line).to_be_visible()


def test_the_threshold_alone_is_told_to_be_no_go(run: RunDocument):
    verdict = run.verdict.model_copy(update={"score": 60.0, "score_exact": "60", "threshold": 70.0})
    step = PlanPart(
        kind="fix", check="s/a", title="A", effort="S", gain=12.0, gain_exact="12", how="mend", must_haves=["L9"]
    )
    for needed, word in ((["s/a"], "the threshold<"), (["s/a", "s/b"], "the threshold, with L9 still open<")):
        must_have = MustHavePart(
            id="L9", title="M", status=Status.FAIL, waived=False, checks=["s/a", "s/b"], open_checks=needed
        )
        own = {"verdict": verdict, "plan": [step], "must_haves": [must_have]}
        assert f"then 72.0: {word}" in render(run.model_copy(update=own), "html")


def test_the_pdf_is_the_page(run: RunDocument, tmp_path: Path, browser: Browser):
    del browser  # it is there
    (tmp_path / "run.json").write_text(run.to_json())
    env = stage.environment(tmp_path)
    done = stage.run("report", "run.json", "-o", "r.pdf", env=env, cwd=tmp_path)
    assert (done.code, done.err) == (0, "")
    first, rest = pages(tmp_path / "r.pdf")
    assert f"{run.verdict.score:.1f}" in first
    assert "alter table t2" in rest
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith("readiness-pdf")] == []
    refused = stage.run(
        "report",
        "run.json",
        "-o",
        "s.pdf",
        env=env | {"PATH": "/nonexistent", "READINESS_BROWSER": "none"},
        cwd=tmp_path,
    )
    assert refused.code == 2
    assert "is installed" in refused.err
    assert not (tmp_path / "s.pdf").exists()


def pages(path: Path) -> tuple[str, str]:
    """The text of the first page, and of all that follow."""

    def text(*options: str) -> str:
        return subprocess.run(["pdftotext", *options, path, "-"], capture_output=True, text=True, check=True).stdout

    return text("-l", "1"), text("-f", "2")


# -- harm and size ---------------------------------------------------------------------------------------------


def test_hostile_names_stay_text(hostile: RunDocument, browser: Browser, tmp_path: Path):
    dressed_up = dressed(hostile)
    rendered = render(dressed_up, "html")
    test_document.seemly(rendered)
    (tmp_path / "r.html").write_text(rendered)
    with opened(browser, tmp_path / "r.html") as page:
        page.evaluate("for (const d of document.querySelectorAll('details')) d.open = true")
        assert page.locator("script").count() == 3, "the document, its findings, and our own"
        assert (
            page.locator(
                "img, iframe, object, embed, link, base, form, foreignObject, [style], [onerror], [onclick]"
            ).count()
            == 0
        )
        links = page.eval_on_selector_all("a", "found => found.map(a => a.getAttribute('href'))")
        assert all(href.startswith(("#", "https://")) for href in links)
        subjects = page.eval_on_selector_all(".findings code.s", "found => found.map(c => c.textContent)")
        for name in HOSTILE:
            assert visible(name) in subjects, name
        pre = page.eval_on_selector_all(".findings pre", "found => found.map(p => p.lastChild.textContent)")
        assert "drop table <script>alert(1)</script>;" in pre


BREAKS_OUT = "\"'<i-x a=b>&lt;</script></pre>"
CLOSED = re.compile(
    "_exact$|^(schema|form|language|points|kind|state|decision|impact|probability|unlimited_impact|rule)$"
)


def hostile_throughout(value: Any, key: str = "") -> Any:
    """A document in which every text tries to break out of where it is printed, names of evidence too."""
    match value:
        case dict():
            own = BREAKS_OUT if key == "evidence" else ""
            return {k + own: hostile_throughout(v, k) for k, v in value.items()}
        case list():
            return [hostile_throughout(v, key) for v in value]
        case str() if (
            not CLOSED.search(key) and value not in {*Status, *Reason} and not re.match(r"\d{4}-\d\d-\d\d", value)
        ):
            return value + BREAKS_OUT
        case _:
            return value


class Tags(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, list[tuple[str, str | None]]]] = []
        self.told: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, attrs))

    def handle_data(self, data: str) -> None:
        self.told.append(data)


@pytest.mark.parametrize("waived", [True, False])
def test_no_text_of_a_document_breaks_out(run: RunDocument, waived: bool):
    """The page is written by hand: a value that no `safe` has seen would show here. Findings of one form have a way of their own."""
    checks = run.checks
    if not waived:
        checks = [
            c.model_copy(update={"findings": [f.model_copy(update={"remedy": f.remedy or "r;"}) for f in c.findings]})
            for c in checks
        ]
    body = json.loads(run.model_copy(update={"checks": checks}).to_json())
    changed = document.parse(json.dumps(hostile_throughout(body)))
    page, before = Tags(render(changed, "html")), Tags(render(run, "html"))
    allowed = {(tag, name) for tag, attributes in before.found for name, _ in attributes}
    assert {tag for tag, _ in page.found} <= {tag for tag, _ in before.found} | {"pre"}
    assert {(tag, name) for tag, attributes in page.found for name, _ in attributes} <= allowed
    assert "".join(page.told).count(BREAKS_OUT) > 300
    assert document.parse(render(changed, "html")) == changed


def test_the_pages_policy_admits_nothing_else(browser: Browser, page_file: Path, tmp_path: Path):
    """What got in all the same would not run: neither a script, nor a handler, nor an image, nor a style."""
    smuggled = (
        "<script>document.title='owned'</script><p onclick=\"document.title='owned'\" id=handler>x</p>"
        "<img src='https://example.org/x.png'><p id=styled style='color: rgb(1, 2, 3)'>x</p>"
    )
    (tmp_path / "r.html").write_text(page_file.read_text().replace("</main>", f"{smuggled}</main>"))
    context = browser.new_context()
    page, asked, refused = context.new_page(), [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("requestfailed", lambda request: refused.append(request.url))
    page.on("console", lambda message: refused.append(message.text))
    page.goto((tmp_path / "r.html").as_uri())
    page.click("#handler")
    assert page.title() != "owned"
    assert page.evaluate("getComputedStyle(document.querySelector('#styled')).color") != "rgb(1, 2, 3)"
    assert [u for u in asked if u.startswith("http") and u not in refused] == []
    assert sum("Content Security Policy" in text for text in refused) >= 3
    context.close()


def large(run: RunDocument, count: int = 5_000) -> RunDocument:
    """The same run with many findings, of the length that real ones have, spread over its failing checks."""
    failing = [c for c in run.checks if c.findings and c.weight]
    each = count // len(failing)
    bigger = []
    for c in run.checks:
        if c not in failing:
            bigger.append(c)
            continue
        many = [
            FindingPart(
                subject=f"customer_{n:05}.orders_of_the_day:orders_customer_{n}_fkey",
                subject_kind="constraint",
                evidence={
                    "columns": ["customer_id"],
                    "refers_to": "public.customers",
                    "on_delete": "no action",
                    "estimated_rows": n,
                },
                remedy=f"create index concurrently on customer_{n:05}.orders_of_the_day (customer_id);",
                waived=False,
                fingerprint=f"{n:032}",
            )
            for n in range(each)
        ]
        bigger.append(c.model_copy(update={"findings": many, "examined": each, "healthy": 0}))
    return run.model_copy(update={"checks": bigger})


def timed(call: Callable[[], object]) -> float:
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


@pytest.mark.alone
def test_thousands_of_findings_stay_small_and_quick(browser: Browser, run: RunDocument, tmp_path: Path):
    many = large(run)
    assert sum(len(c.findings) for c in many.checks) > 4_900
    render(run, "html")
    rendered = render(many, "html")
    assert len(rendered.encode()) < 5_000_000
    assert timed(lambda: render(many, "html")) < 5, "benchmarks/report.py says how much less"
    (tmp_path / "r.html").write_text(rendered)
    with opened(browser, tmp_path / "r.html") as page:
        page.fill("#search", "customer_00007")
        expect(page.locator("#count")).to_have_text(re.compile("^[1-9][0-9]* of"))
        took = page.evaluate(
            "() => { const s = document.querySelector('#search'), t = performance.now(); s.value = 'customer_00008';"
            "document.querySelector('#category').dispatchEvent(new Event('change')); return performance.now() - t }"
        )
        assert took < 1_000, f"a filter over 5,000 findings took {took:.0f} ms"
        assert page.locator("details.check:not([hidden]) .findings li:not([hidden])").count() > 0


def test_bytes_only_where_they_are_asked_for(run: RunDocument, browser: Browser):
    del browser
    with pytest.raises(ValueError, match="no text"):
        render(run, "pdf")
    assert isinstance(render_any(run, "html"), str)
