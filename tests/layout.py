"""Whether all text of a page can be read where it stands: nothing cut off, hidden behind an edge or out of its box."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Page

_CLIPPED = """() => {
  const found = [], slack = 1;
  const words = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (words.nextNode()) {
    const node = words.currentNode, own = node.parentElement;
    const hidden = !node.data.trim() || own.closest(".unseen, .skip, script, noscript") || !own.checkVisibility();
    if (hidden) continue;
    const range = document.createRange();
    range.selectNodeContents(node);
    for (const at of range.getClientRects()) {
      let why = "", place = own;
      // Tables wider than the page are meant to be scrolled, and say so: what is in them is right at any place.
      for (; place && !place.matches(".scroll"); place = place.parentElement) {
        const box = place.getBoundingClientRect(), style = getComputedStyle(place);
        const beside = at.left < box.left - slack || at.right > box.right + slack;
        const below = at.top < box.top - slack || at.bottom > box.bottom + slack;
        if (beside || (below && ["hidden", "clip"].includes(style.overflowY))) {
          why ||= `out of ${place.tagName}.${place.className}`;
        }
        if (["absolute", "fixed"].includes(style.position)) break;  // its parents are not round it
      }
      const wide = document.documentElement.clientWidth, scrolls = place && place.matches(".scroll");
      if (!scrolls && (at.left < -slack || at.right > wide + slack)) why ||= "out of the page";
      if (why) { found.push(`${node.data.trim().slice(0, 40)}: ${why}`); break; }
    }
  }
  return found;
}"""


def clipped(page: Page) -> list[str]:
    """Each text that cannot be read in full, with why."""
    found: list[str] = page.evaluate(_CLIPPED)
    return found
