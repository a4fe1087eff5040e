"""The words of the docs site, and its look in a real browser: from disk, without network."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from demo import servers, site
from tests.conftest import Database, fresh_database
from tests.deploy import browser


@dataclass(frozen=True)
class Site:
    page: Path
    manifest: dict[str, Any]
    catalog: dict[str, Any]
    database: Database


@pytest.fixture(scope="module")
def built(pg_server: servers.Postgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The site as `make docs` makes it, and the database that it was made from."""
    folder = tmp_path_factory.mktemp("site")
    with fresh_database(pg_server) as database:
        servers.empty_landing(pg_server, database.name)
        static_index = site.build(pg_server, folder / "target", database.name)
        page = site.publish(static_index, folder)
        manifest, catalog = (
            json.loads((folder / "target" / f"{name}.json").read_text()) for name in ("manifest", "catalog")
        )
        yield Site(page, manifest, catalog, database)


def between(page: Path, name: str) -> dict[str, Any]:
    """One of the artifacts that the page carries, `{manifest:{"metadata": …},catalog:{"metadata": …}}`."""
    text = page.read_text(encoding="utf-8")
    found: dict[str, Any]
    found, _ = json.JSONDecoder().raw_decode(text, text.index(f'{name}:{{"metadata"') + len(name) + 1)
    return found


def own(manifest: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Everything of this project that carries a description: (unique id, node)."""
    for kind in ("nodes", "sources", "macros", "exposures", "functions"):
        for key, node in manifest[kind].items():
            if node["package_name"] == "fleetfuel":
                yield key, node


def is_second_name(node: dict[str, Any]) -> bool:
    """Whether a source is a table that another source describes."""
    return node["resource_type"] == "source" and node["identifier"] != node["name"]


def is_view(node: dict[str, Any]) -> bool:
    """Whether a node is one of the views that people read."""
    return node["resource_type"] == "model" and node["path"].startswith("reporting")


def trivial(text: str, name: str) -> bool:
    """Whether a description says nothing that the name does not say."""
    words = {word.strip(".,:;()`").lower() for word in text.split()}
    return len(text.strip()) < 12 or not words - {
        *name.lower().split("_"),
        "the",
        "a",
        "an",
        "of",
        name.lower(),
    }


def test_everything_has_a_description_that_says_something(built: Site) -> None:
    missing = []
    for key, node in own(built.manifest):
        is_generic_test = node["resource_type"] == "test" and node.get("test_metadata")
        # dbt takes no description for a materialization nor for a hook.
        cannot = node["name"].startswith("materialization_") or node["resource_type"] == "operation"
        if not is_generic_test and not cannot and trivial(node["description"], node["name"]):
            missing.append(key)
        if node["resource_type"] == "source" and trivial(node["source_description"], node["source_name"]):
            missing.append(f"{key} (its source)")
        for name, column in node.get("columns", {}).items():
            if trivial(column["description"], name):
                missing.append(f"{key}.{name}")
        for argument in [] if cannot else node.get("arguments", []):
            if trivial(argument.get("description") or "", argument["name"]):
                missing.append(f"{key}({argument['name']})")
    assert not missing, "without a description that says something:\n" + "\n".join(sorted(missing))


def test_every_column_that_stands_is_described(built: Site) -> None:
    """Also those that the yml forgot: models, seeds and sources, as they are in the database."""
    described = dict(own(built.manifest))
    forgotten = [
        f"{key}.{column}"
        for key, table in {**built.catalog["nodes"], **built.catalog["sources"]}.items()
        if not key.startswith("test.")
        for column in table["columns"]
        if column not in described[key]["columns"]
        # The tracker's table has many columns; only those that we read are ours to explain.
        and not key.startswith("source.fleetfuel.tracksolid.")
        # A source under a second name, for a freshness of its own, is described under the first.
        and not is_second_name(described[key])
    ]
    assert not forgotten, "in the database, not in the yml:\n" + "\n".join(sorted(forgotten))


def test_comments_reach_postgresql(built: Site) -> None:
    bare = built.database.query(
        """
        select format('%s.%s', c.oid::regclass, a.attname)
        from pg_class c
        join pg_namespace n on n.oid = c.relnamespace
        join pg_attribute a on a.attrelid = c.oid and a.attnum >= 0 and not a.attisdropped
        where n.nspname in ('fuel', 'reporting') and c.relkind in ('r', 'v')
          and col_description(c.oid, a.attnum) is null
        union all
        select c.oid::regclass::text
        from pg_class c
        join pg_namespace n on n.oid = c.relnamespace
        where n.nspname in ('fuel', 'reporting') and c.relkind in ('r', 'v')
          and obj_description(c.oid) is null
        """
    )
    assert not bare, bare
    said = built.database.query(
        "select col_description('reporting.v_fuel_fills'::regclass, attnum) from pg_attribute"
        " where attrelid = 'reporting.v_fuel_fills'::regclass and attname = 'litres'"
    )
    fills = built.manifest["nodes"]["model.fleetfuel.v_fuel_fills"]
    assert said == [(fills["columns"]["litres"]["description"],)]


def test_overview_names_every_view_and_every_rule(built: Site) -> None:
    overview = built.manifest["docs"]["doc.fleetfuel.__overview__"]["block_contents"]
    views = [key for key, node in built.manifest["nodes"].items() if is_view(node)]
    assert views
    assert not [key for key in views if f"`{built.manifest['nodes'][key]['name']}`" not in overview]
    if built.database.query("select to_regclass('fuel.anomaly_rules')") != [(None,)]:
        rules = [rule for (rule,) in built.database.query("select rule from fuel.anomaly_rules")]
        assert rules
        assert not [rule for rule in rules if f"`{rule}`" not in overview]


def test_links_of_our_pages_lead_somewhere(built: Site) -> None:
    docs = {key: doc["block_contents"] for key, doc in between(built.page, "manifest")["docs"].items()}
    pages = {f"overview/{name}" for name in site.PAGES}
    links = {
        link
        for key, text in docs.items()
        if key.startswith("doc.fleetfuel.__")
        for link in re.findall(r"\]\(([^)]+)\)", text)
        if not link.startswith("https:")
    }
    assert pages <= {link.removeprefix("#!/") for link in links}, "each page is linked"
    for link in links:
        place = link.removeprefix("#!/")
        kind, _, key = place.partition("/")
        assert place in pages or key in built.manifest[{"exposure": "exposures"}.get(kind, "nodes")], link


def test_overview_links_every_view(built: Site) -> None:
    overview = built.manifest["docs"]["doc.fleetfuel.__overview__"]["block_contents"]
    views = [key for key, node in built.manifest["nodes"].items() if is_view(node)]
    assert views
    assert not [key for key in views if f"(#!/model/{key})" not in overview]


@pytest.fixture(scope="module")
def page(built: Site, tmp_path_factory: pytest.TempPathFactory) -> Iterator[browser.Page]:
    if not browser.CHROMIUM:
        pytest.skip("no Chromium here (Debian: apt-get install chromium): the docs site is not looked at")
    with browser.page(tmp_path_factory.mktemp("profile")) as tab:
        yield tab


def show(tab: browser.Page, built: Site, place: str) -> None:
    """Open a place of the site afresh."""
    tab.open("about:blank")
    tab.until("location.href === 'about:blank'", "blank page")
    tab.open(f"{built.page.as_uri()}#!/{place}")


def test_page_opens_on_the_overview(built: Site, page: browser.Page) -> None:
    show(page, built, "overview")
    page.until("document.body.innerText.includes('The meaning of a fill')", "the overview")
    page.until("document.querySelectorAll('table').length > 0", "its tables")
    icons = (
        "[...document.querySelectorAll('.menu-tree use')].filter(icon => icon.getBoundingClientRect().width)"
    )
    page.until(f"{icons}.length > 0", "the folders' icons")


def test_search_finds_the_fills(built: Site, page: browser.Page) -> None:
    show(page, built, "overview")
    page.until("document.querySelector('#search')", "the search field")
    page.js("document.querySelector('#search').focus()")
    page.call("Input.insertText", text="v_fuel_fills")
    page.until("/search results/.test(document.body.innerText)", "search results")
    page.until("/^v_fuel_fills model$/m.test(document.body.innerText)", "v_fuel_fills among the results")


def test_columns_show_with_their_descriptions(built: Site, page: browser.Page) -> None:
    show(page, built, "model/model.fleetfuel.v_fuel_fills")
    columns = built.manifest["nodes"]["model.fleetfuel.v_fuel_fills"]["columns"]
    page.until("document.body.innerText.includes('v_fuel_fills')", "the page of v_fuel_fills")
    page.until("document.querySelectorAll('.column-row').length > 5", "its columns")
    shown = " ".join(page.js("document.body.textContent").split())
    for name, column in columns.items():
        words = " ".join(column["description"].replace("`", "").split())[:40]
        assert name in shown
        assert words in shown.replace("`", ""), f"{name}: {words}"


def test_descriptions_of_columns_are_whole_on_a_laptop(built: Site, page: browser.Page) -> None:
    cells = "[...document.querySelectorAll('.column-row td')]"
    cut = f"{cells}.filter(td => td.scrollWidth > td.clientWidth + 1).length"
    for view in ("v_vehicles", "v_fuel_fills", "v_pipeline_health"):
        show(page, built, f"model/model.fleetfuel.{view}")
        page.until(f"document.querySelector('h1')?.innerText.includes('{view}')", view)
        page.until("document.querySelectorAll('.column-row').length > 5", "its columns")
        assert page.js(cut) == 0


def test_the_pages_on_economy_and_anomalies_are_there(built: Site, page: browser.Page) -> None:
    for name in site.PAGES:
        title, *_ = (site.ROOT / "docs" / f"{name}.md").read_text().splitlines()
        show(page, built, f"overview/{name}")
        page.until(f"document.body.innerText.includes({json.dumps(title.lstrip('# '))})", f"the page {name}")
        assert page.js("document.querySelectorAll('[marked] table').length") > 0


@pytest.mark.parametrize("place", ["overview", *(f"overview/{name}" for name in site.PAGES)])
def test_our_own_text_is_whole_on_a_phone(built: Site, page: browser.Page, place: str) -> None:
    page.size(390)
    try:
        show(page, built, place)
        page.until("document.querySelectorAll('[marked] h1').length", place)
        assert page.clipped("[marked]") == []
        assert page.js("document.querySelector('[marked]').getBoundingClientRect().width") > 300
        show(page, built, "model/model.fleetfuel.v_fuel_fills")
        page.until("document.querySelectorAll('.column-row').length > 5", "the columns")
        assert page.clipped(".app-details") == []
    finally:
        page.size(1280)


def test_lineage_draws_from_landing_to_the_exposures(built: Site, page: browser.Page) -> None:
    show(page, built, "overview?g_v=1&g_i=source:fuel.records_raw%2B")
    graph = "[...document.querySelectorAll('*')].filter(e => e._cyreg && e._cyreg.cy)[0]"
    page.until(f"{graph} && {graph}._cyreg.cy.nodes(':visible').length > 3", "the lineage graph")
    nodes = set(page.js(f"{graph}._cyreg.cy.nodes(':visible').map(n => n.id())"))
    wanted = {"source.fleetfuel.fuel.records_raw", "model.fleetfuel.records", "model.fleetfuel.v_fuel_fills"}
    assert wanted | set(built.manifest["exposures"]) <= nodes
    assert not [node for node in nodes if node.startswith(("test.", "unit_test.", "operation."))]
    # Drawn, not only known: the canvas has pixels of more than one colour.
    colours = page.js(
        """(() => {
            const seen = new Set();
            for (const canvas of [...document.querySelectorAll('canvas')].filter(each => each.width)) {
                const pixels = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
                for (let i = 0; i < pixels.length; i += 4)
                    if (pixels[i + 3]) seen.add(pixels.slice(i, i + 3).join());
            }
            return seen.size;
        })()"""
    )
    assert colours > 10


def test_no_console_errors_and_no_network(page: browser.Page) -> None:
    page.js("1")
    assert page.complaints == []
    assert [url for url in page.requests if not url.startswith(("file:", "data:", "blob:", "about:"))] == []
