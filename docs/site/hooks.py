"""What the documentation site needs beyond Markdown: its navigation, and the files outside docs/ that pages link to.

The pages are written for a forge that shows the whole repository, so they link to ``bench/`` or ``README.md`` by a
relative path. The site takes such a file along under ``repository/`` and turns the link to it. A new page needs no
entry anywhere: it is found by its folder, and titled by its first heading.

Owns nothing that is published: mkdocs calls these functions while it builds.
"""

from __future__ import annotations

import logging
import posixpath
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files, InclusionLevel
from mkdocs.structure.pages import Page
from pymdownx.slugs import slugify  # type: ignore[import-untyped]  # it has no types

ROOT = Path(__file__).parents[2]
TAKEN_ALONG = "repository"
# Pages that lie in docs/ itself, by what a reader wants. One that is not named here is a reference.
GROUPS = {
    "Start": [
        "index.md",
        "install.md",
        "getting-started.md",
        "tutorial.md",
        "from-the-take-home.md",
        "comparison.md",
    ],
    "How-to": ["archive.md", "recovery.md"],
    "Reference": [],
    "Explanation": ["guarantees.md", "architecture.md", "privacy.md", "fault-campaign.md"],
    "Deploy": [],
    "Operate": [
        "operating.md",
        "runbook.md",
        "observability.md",
        "failover.md",
        "console.md",
        "terminal.md",
        "supply-chain.md",
        "releasing.md",
    ],
}
FOLDERS = {"how-to": "How-to", "deploy": "Deploy"}

_log = logging.getLogger("mkdocs.hooks.sofetch")
_FENCED = re.compile(r"(^```.*?^```$)", re.MULTILINE | re.DOTALL)
_INFO = re.compile(r"\A(```\w+)[^\n]*")
_LINK = re.compile(r"(\]\()([^)\s#:]+)(#[^)\s]*)?(\))")
_FROM_ELSEWHERE = re.compile(r"<(?:script|link|img|iframe)\b[^>]*\b(?:src|href)=\"?(?:https?:)?//[^>]*>")


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Fill in the navigation, and name headings as the usual forges do, so that anchors work on both."""
    pages = [path.relative_to(config.docs_dir).as_posix() for path in Path(config.docs_dir).rglob("*.md")]
    config.nav = navigation(pages)
    for name in without_a_page(pages):
        _log.warning("the navigation names %s, and there is no such page", name)
    config.mdx_configs.setdefault("toc", {})["slugify"] = slugify(case="lower")
    return config


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    """Take along every file outside docs/ that a page links to, and what those link to."""
    for path in sorted(taken_along(ROOT)):
        file = File.generated(
            config, f"{TAKEN_ALONG}/{path}", abs_src_path=str(ROOT / path), inclusion=InclusionLevel.NOT_IN_NAV
        )
        files.append(file)
    return files


def on_page_markdown(markdown: str, *, page: Page, **_: Any) -> str:
    """Turn the page's links to where the site has their targets, and leave of a block's info string the language."""
    source = page.file.src_uri
    source = source.removeprefix(f"{TAKEN_ALONG}/") if source.startswith(f"{TAKEN_ALONG}/") else f"docs/{source}"
    parts = _FENCED.split(markdown)
    return "".join(_INFO.sub(r"\1", part) if at % 2 else relinked(part, source) for at, part in enumerate(parts))


def on_post_page(output: str, *, page: Page, **_: Any) -> str:
    """Warn, which fails the strict build, if the page would load something from another server."""
    for found in _FROM_ELSEWHERE.findall(output):
        _log.warning("%s loads from elsewhere: %s", page.file.src_uri, found)
    return output


def navigation(pages: list[str]) -> list[dict[str, Any]]:
    """The pages in their groups: first those named above, in that order, then the folder's, its README.md on top.

    Decisions are a section within the explanation. A folder that has no group yet is one, under its own name.
    """
    groups: dict[str, list[Any]] = {name: [page for page in named if page in pages] for name, named in GROUPS.items()}
    placed = {page for group in groups.values() for page in group}
    decisions: list[str] = []
    for page in sorted(set(pages) - placed, key=_readme_first):
        folder = page.partition("/")[0] if "/" in page else ""
        if folder == "decisions":
            decisions.append(page)
        else:
            name = FOLDERS.get(folder, folder.capitalize()) if folder else "Reference"
            groups.setdefault(name, []).append(page)
    if decisions:
        groups["Explanation"].append({"Decisions": decisions})
    return [{name: members} for name, members in groups.items() if members]


def without_a_page(pages: list[str]) -> list[str]:
    """What ``GROUPS`` names and is not there: a page that was renamed, or never written. It fails the strict build."""
    return [name for named in GROUPS.values() for name in named if name not in pages]


def _readme_first(page: str) -> tuple[str, bool, str]:
    folder, _, name = page.rpartition("/")
    return folder, name != "README.md", name


def taken_along(root: Path) -> set[str]:
    """The files outside docs/, as paths from the root, that pages link to, at first hand or through one another."""
    found: set[str] = set()
    waiting = [path.relative_to(root).as_posix() for path in (root / "docs").rglob("*.md")]
    while waiting:
        source = waiting.pop()
        for target in _targets((root / source).read_text(encoding="utf-8"), source):
            path = _file(root, target)
            if path and not path.startswith("docs/") and path not in found:
                found.add(path)
                waiting += [path] if path.endswith(".md") else []
    return found


def _targets(markdown: str, source: str) -> Iterator[str]:
    for link in _LINK.finditer(_FENCED.sub("", markdown)):
        yield posixpath.normpath(posixpath.join(posixpath.dirname(source), link[2]))


def _file(root: Path, target: str) -> str | None:
    """The file a link is about: a folder's is its README.md."""
    candidates = [target, f"{target}/README.md"]
    return next((path for path in candidates if (root / path).is_file()), None)


def relinked(markdown: str, source: str) -> str:
    """``markdown``, found at ``source`` in the repository, with each relative link as the site needs it.

    A link to nothing is left as it is: the strict build names it.
    """
    here = posixpath.dirname(_place(source))

    def turned(link: re.Match[str]) -> str:
        target = _file(ROOT, posixpath.normpath(posixpath.join(posixpath.dirname(source), link[2])))
        if target is None:
            return link[0]
        return f"{link[1]}{posixpath.relpath(_place(target), here or '.')}{link[3] or ''}{link[4]}"

    return _LINK.sub(turned, markdown)


def _place(path: str) -> str:
    """Where the site has a file of the repository."""
    return path.removeprefix("docs/") if path.startswith("docs/") else f"{TAKEN_ALONG}/{path}"
