"""Render every page from invented values to a folder, and photograph each with Chromium.

    python tools/page_gallery.py OUT [NAME …]

For people who work on the look of the pages. Nothing here is served or shipped.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "src")]

from tests.support import page_samples  # noqa: E402  # after the path is set
from tourniquet.web.charts import bar, line, step  # noqa: E402
from tourniquet.web.jinja import build_environment  # noqa: E402

STATIC = ROOT / "src" / "tourniquet" / "web" / "static"
CHARTS = (
    '{% extends "base.html" %}{% block content %}<h1 class="nhsuk-heading-l">Charts</h1>'
    "{% for chart in charts %}{{ chart }}{% endfor %}{% endblock %}"
)
SIZES = {"wide": (1280, 1600), "narrow": (375, 1600)}


def render_all(out: Path) -> dict[str, Path]:
    """One HTML file for each page, with the static files beside them."""
    shutil.copytree(STATIC, out / "static", dirs_exist_ok=True)
    environment = build_environment(static=lambda path: f"static/{path}")
    files: dict[str, Path] = {}
    for name, (template, shell, page) in page_samples.pages().items():
        files[name] = out / f"{name}.html"
        text = environment.get_template(template).render(shell=shell, page=page)
        files[name].write_text(text, "utf-8")
    charts = [draw(page_samples.CHART) for draw in (line, step, bar)]
    files["charts"] = out / "charts.html"
    shell = page_samples.shell_for("Charts", "")
    template = environment.from_string(CHARTS)
    files["charts"].write_text(template.render(shell=shell, charts=charts), "utf-8")
    return files


def render_public(out: Path) -> dict[str, Path]:
    """The patients' pages and letters."""
    css = ROOT / "src" / "tourniquet" / "notices" / "templates" / "status" / "status.css"
    shutil.copyfile(css, out / "status.css")
    files: dict[str, Path] = {}
    for name, content in page_samples.public_files().items():
        files[name] = out / f"{name}.html"
        files[name].write_bytes(content)
    return files


def photograph(page: Path, picture: Path, width: int, height: int) -> None:
    """A PNG of a page, by the system's Chromium with a profile of its own."""
    chromium = shutil.which("chromium") or sys.exit("Chromium is needed for pictures.")
    with tempfile.TemporaryDirectory() as profile:
        subprocess.run(
            [chromium, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
             f"--user-data-dir={profile}", f"--window-size={width},{height}",
             "--allow-file-access-from-files", f"--screenshot={picture}", page.as_uri()],
            check=True, timeout=60, capture_output=True, env=dict(os.environ),
        )  # fmt: skip


def main() -> None:
    """Render all; photograph the pages named, or all of them."""
    out = Path(sys.argv[1])
    out.mkdir(parents=True, exist_ok=True)
    files = render_all(out) | render_public(out)
    for name in sys.argv[2:] or files:
        for size, (width, height) in SIZES.items():
            photograph(files[name], out / f"{name}-{size}.png", width, height)


if __name__ == "__main__":
    main()
