"use strict";
// Light or dark: the system's wish, unless somebody chose here. Runs before the page is drawn, so that it never flashes.
(() => {
  const root = document.documentElement;
  const system = window.matchMedia("(prefers-color-scheme: dark)");
  const chosen = () => { try { return localStorage.getItem("theme"); } catch { return null; } };
  const apply = () => { root.dataset.theme = chosen() || (system.matches ? "dark" : "light"); };
  apply();
  system.addEventListener("change", () => { apply(); window.dispatchEvent(new Event("theme")); });
  document.addEventListener("DOMContentLoaded", () => {
    document.getElementById("theme")?.addEventListener("click", () => {
      const next = root.dataset.theme === "dark" ? "light" : "dark";
      try { localStorage.setItem("theme", next); } catch { /* it lasts for this page */ }
      root.dataset.theme = next;
      window.dispatchEvent(new Event("theme"));
    });
  });
})();
